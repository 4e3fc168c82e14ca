"""torch-ngp's encoders and ray marching, migrated (run in its folder), against their definitions in double precision."""
import math

import torch


def show(what, got, expected, **tolerance):
    torch.testing.assert_close(got.to(expected.dtype), expected, **tolerance)
    print(f"equal: {what}", flush=True)


def frequencies():
    import _freqencoder as ext
    count, inputs, degree = 50, 3, 5
    x, out = torch.randn(count, inputs), torch.empty(count, inputs * (1 + 2 * degree))
    ext.freq_encode_forward(x, count, inputs, degree, out.shape[1], out)
    leaf = x.double().requires_grad_()
    expected = torch.cat([leaf, *[f(leaf * 2**k) for k in range(degree) for f in (torch.sin, torch.cos)]], 1)
    show("frequencies", out, expected.detach(), rtol=1e-4, atol=1e-4)
    direction, back = torch.randn_like(out), torch.zeros_like(x)
    ext.freq_encode_backward(direction, out, count, inputs, degree, out.shape[1], back)
    expected.backward(direction.double())
    show("frequencies, gradient", back, leaf.grad, rtol=1e-3, atol=1e-3)


def sphere(polar, around):
    """Points and weights that integrate products of the first harmonics exactly: Gauss-Legendre in z, equal steps around."""
    matrix = torch.diag(torch.tensor([k / math.sqrt(4 * k * k - 1) for k in range(1, polar)]).double(), 1)
    z, vectors = torch.linalg.eigh(matrix + matrix.T)
    weights = (2 * vectors[0] ** 2)[:, None].expand(-1, around).reshape(-1) * (2 * math.pi / around)
    angle = torch.arange(around).double() * 2 * math.pi / around
    ring = (1 - z * z).sqrt()[:, None]
    points = torch.stack([ring * angle.cos(), ring * angle.sin(), z[:, None].expand(-1, around)], -1).reshape(-1, 3)
    return points.float(), weights


def harmonics():
    import _shencoder as ext
    degree = 4
    points, weights = sphere(24, 48)
    out, slope = torch.empty(len(points), degree**2), torch.empty(len(points), 3 * degree**2)
    ext.sh_encode_forward(points, out, len(points), 3, degree, slope)
    product = (out.double().T * weights) @ out.double()
    show("harmonics, orthonormal over the sphere", product, torch.eye(degree**2).double(), rtol=1e-5, atol=1e-5)
    step = 1e-2
    for axis in range(3):
        moved = []
        for sign in (1, -1):
            shifted, value = points.clone(), torch.empty_like(out)
            shifted[:, axis] += sign * step
            ext.sh_encode_forward(shifted, value, len(points), 3, degree, None)
            moved.append(value)
        numeric = (moved[0] - moved[1]) / (2 * step)
        show(f"harmonics, slope along axis {axis}", slope.reshape(len(points), 3, -1)[:, axis], numeric, rtol=1e-2, atol=1e-2)


def marching():
    import _raymarching as ext
    coords = torch.randint(0, 128, (500, 3), dtype=torch.int32)
    code, back = torch.empty(500, dtype=torch.int32), torch.empty(500, 3, dtype=torch.int32)
    ext.morton3D(coords, 500, code)
    show("Morton codes", code, sum(((coords[:, d].long() >> k) & 1) << (3 * k + d) for k in range(7) for d in range(3)))
    ext.morton3D_invert(code, 500, back)
    show("Morton codes, inverse", back, coords)

    box = torch.tensor([-1.0, -1, -1, 1, 1, 1])
    start, ray = torch.randn(200, 3) * 2, torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    near, far = torch.empty(200), torch.empty(200)
    ext.near_far_from_aabb(start, ray, box, 200, 0.05, near, far)
    a, b = (box[:3] - start) / ray, (box[3:] - start) / ray
    first, last = torch.minimum(a, b).max(1).values, torch.maximum(a, b).min(1).values
    hits = first <= last
    show("rays through a box", near[hits], first.clamp(min=0.05)[hits], rtol=1e-4, atol=1e-4)

    sigma, color = torch.rand(64) * 3, torch.rand(64, 3)
    delta = torch.rand(64, 2) * 0.1 + 0.01
    ends = ((0, 40), (40, 64))
    rays = torch.tensor([[k, low, high - low] for k, (low, high) in enumerate(ends)], dtype=torch.int32)
    total, depth, image = torch.zeros(2), torch.zeros(2), torch.zeros(2, 3)
    ext.composite_rays_train_forward(sigma, color, delta, rays, 64, 2, 0.0, total, depth, image)
    leaves = [t.double().requires_grad_() for t in (sigma, color)]
    light, weight = [], []
    for low, high in ends:
        alpha = 1 - torch.exp(-leaves[0][low:high] * delta[low:high, 0].double())
        through = torch.cat([torch.ones(1).double(), torch.cumprod(1 - alpha, 0)[:-1]])
        weight.append((alpha * through).sum())
        light.append(((alpha * through)[:, None] * leaves[1][low:high]).sum(0))
    light, weight = torch.stack(light), torch.stack(weight)
    show("light along rays", image, light.detach(), rtol=1e-4, atol=1e-4)
    show("weights along rays", total, weight.detach(), rtol=1e-4, atol=1e-4)
    of_total, of_image = torch.randn(2), torch.randn(2, 3)
    of_sigma, of_color = torch.zeros(64), torch.zeros(64, 3)
    ext.composite_rays_train_backward(of_total, of_image, sigma, color, delta, rays, total, image, 64, 2, 0.0, of_sigma, of_color)
    ((light * of_image).sum() + (weight * of_total).sum()).backward()
    show("light along rays, gradient of densities", of_sigma, leaves[0].grad, rtol=1e-3, atol=1e-4)
    show("light along rays, gradient of colours", of_color, leaves[1].grad, rtol=1e-3, atol=1e-4)


def main():
    torch.manual_seed(0)
    frequencies()
    harmonics()
    marching()


if __name__ == "__main__":
    main()
