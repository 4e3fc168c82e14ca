"""Small extensions, migrated (run in the extension's folder), against plain PyTorch: check_small.py EXTENSION."""
import math
import sys

import torch


def show(what, got, expected, **tolerance):
    torch.testing.assert_close(got.to(expected.dtype), expected, **tolerance)
    print(f"equal: {what}")


def alt_cuda_corr():
    """RAFT: at each offset of a window, the dot product with bilinear samples of the other picture."""
    import alt_cuda_corr as ext  # noqa: PLC0415
    batch, height, width, channels, radius = 2, 9, 11, 64, 3
    one, two = (torch.randn(batch, height, width, channels) for _ in range(2))
    coords = torch.rand(batch, 1, height, width, 2) * 12 - 1
    got, = ext.forward(one, two, coords, radius)
    side = 2 * radius + 1
    expected = torch.zeros(batch, side * side, height, width, dtype=torch.float64)
    padded = torch.zeros(batch, height + 40, width + 40, channels, dtype=torch.float64)
    padded[:, 20:20 + height, 20:20 + width] = two.double()
    rows = torch.arange(batch)[:, None, None]
    for i in range(side):
        for j in range(side):
            x, y = coords[:, 0, ..., 0].double() + i - radius, coords[:, 0, ..., 1].double() + j - radius
            left, top = x.floor(), y.floor()
            for down in (0, 1):
                for right in (0, 1):
                    weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
                    picked = padded[rows, (top.long() + down + 20), (left.long() + right + 20)]
                    expected[:, i * side + j] += weight * (picked * one.double()).sum(-1)
    show("correlation at offsets", got[:, 0].reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def freqencoder():
    import _freqencoder as ext  # noqa: PLC0415
    count, inputs, degree = 50, 3, 5
    x, out = torch.randn(count, inputs), torch.empty(count, inputs * (1 + 2 * degree))
    ext.freq_encode_forward(x, count, inputs, degree, out.shape[1], out)
    wave = [f(x.double() * 2 ** k) for k in range(degree) for f in (torch.sin, torch.cos)]
    expected = torch.cat([x.double(), *wave], 1)
    show("frequencies", out, expected, rtol=1e-4, atol=1e-4)
    grad, back = torch.randn_like(out), torch.zeros_like(x)
    ext.freq_encode_backward(grad, out, count, inputs, degree, out.shape[1], back)
    leaf = x.double().requires_grad_()
    torch.cat([leaf, *[f(leaf * 2 ** k) for k in range(degree) for f in (torch.sin, torch.cos)]], 1).backward(grad.double())
    show("their gradient", back, leaf.grad, rtol=1e-3, atol=1e-3)


def shencoder():
    """Spherical harmonics of unit vectors: orthonormal over the sphere."""
    import _shencoder as ext  # noqa: PLC0415
    degree, polar, around = 4, 24, 48
    # Gauss-Legendre in z and equal steps around integrate products of the first harmonics exactly.
    matrix = torch.diag(torch.tensor([k / math.sqrt(4 * k * k - 1) for k in range(1, polar)]).double(), 1)
    z, vectors = torch.linalg.eigh(matrix + matrix.T)
    weights = (2 * vectors[0] ** 2)[:, None].expand(-1, around).reshape(-1) * (2 * math.pi / around)
    angle = torch.arange(around).double() * 2 * math.pi / around
    ring = (1 - z * z).sqrt()[:, None]
    points = torch.stack([ring * angle.cos(), ring * angle.sin(), z[:, None].expand(-1, around)], -1).reshape(-1, 3).float()
    out = torch.empty(len(points), degree ** 2)
    slope = torch.empty(len(points), 3 * degree ** 2)
    ext.sh_encode_forward(points, out, len(points), 3, degree, slope)
    show("harmonics", (out.double().T * weights) @ out.double(), torch.eye(degree ** 2).double(), rtol=1e-5, atol=1e-5)
    step, moved = 1e-2, torch.empty_like(out)
    for axis in range(3):
        side = []
        for sign in (1, -1):
            shifted = points.clone()
            shifted[:, axis] += sign * step
            ext.sh_encode_forward(shifted, moved, len(points), 3, degree, None)
            side.append(moved.clone())
        numeric = (side[0] - side[1]) / (2 * step)
        show(f"slope along axis {axis}", slope.reshape(len(points), 3, -1)[:, axis], numeric, rtol=1e-2, atol=1e-2)


def gridencoder():
    """Hash grids with levels small enough to need no hash: trilinear interpolation."""
    import _gridencoder as ext  # noqa: PLC0415
    count, features, levels, base = 60, 2, 2, 4
    sides = [base, base * 2]
    offsets = torch.tensor([0, 128, 128 + 736], dtype=torch.int32)
    table, x = torch.randn(int(offsets[-1]), features), torch.rand(count, 3)
    out = torch.empty(levels, count, features)
    ext.grid_encode_forward(x, table, offsets, out, count, 3, features, levels, 1.0, base, None, 0, False, 0)
    for level, side in enumerate(sides):
        place = x.double() * (side - 1) + 0.5
        low = place.floor()
        expected = torch.zeros(count, features).double()
        for corner in range(8):
            shift = torch.tensor([(corner >> d) & 1 for d in range(3)])
            at = low.long() + shift
            weight = (1 - (place - low - shift).abs()).prod(1)
            stride = torch.tensor([1, side + 1, (side + 1) ** 2])
            index = (at * stride).sum(1) % int(offsets[level + 1] - offsets[level])
            expected += weight[:, None] * table[int(offsets[level]) + index].double()
        show(f"interpolation on level {level}", out[level], expected, rtol=1e-4, atol=1e-4)


def raymarching():
    import _raymarching as ext  # noqa: PLC0415
    coords = torch.randint(0, 128, (500, 3), dtype=torch.int32)
    code, back = torch.empty(500, dtype=torch.int32), torch.empty(500, 3, dtype=torch.int32)
    ext.morton3D(coords, 500, code)
    expected = sum(((coords[:, d].long() >> k) & 1) << (3 * k + d) for k in range(7) for d in range(3))
    show("Morton codes", code, expected)
    ext.morton3D_invert(code, 500, back)
    show("their inverse", back, coords)
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
    rays = torch.tensor([[0, 0, 40], [1, 40, 24]], dtype=torch.int32)
    total, depth, image = torch.zeros(2), torch.zeros(2), torch.zeros(2, 3)
    ext.composite_rays_train_forward(sigma, color, delta, rays, 64, 2, 0.0, total, depth, image)
    for k, (low, high) in enumerate(((0, 40), (40, 64))):
        alpha = 1 - torch.exp(-sigma[low:high].double() * delta[low:high, 0].double())
        through = torch.cumprod(torch.cat([torch.ones(1).double(), 1 - alpha[:-1]]), 0)
        show(f"light along ray {k}", image[k], ((alpha * through)[:, None] * color[low:high].double()).sum(0), rtol=1e-4, atol=1e-4)


def simple_knn():
    import simple_knn._C as ext  # noqa: PLC0415
    points = torch.randn(3000, 3)
    near = torch.cdist(points.double(), points.double()).topk(4, largest=False).values[:, 1:]
    show("mean square distance to three neighbours", ext.distCUDA2(points), (near ** 2).mean(1), rtol=1e-3, atol=1e-6)


def sort_vertices():
    """Rotated_IoU: indices of a convex polygon's corners, by angle."""
    import sort_vertices as ext  # noqa: PLC0415
    polygons, corners = 40, 24
    count = torch.randint(3, 8, (1, polygons), dtype=torch.int32)
    mask = torch.zeros(1, polygons, corners, dtype=torch.bool)
    angle = torch.rand(1, polygons, corners) * 2 * math.pi
    for p in range(polygons):
        mask[0, p, torch.randperm(16)[:int(count[0, p])] + 8] = True
    points = torch.stack([angle.cos(), angle.sin()], -1)
    mean = (points * mask[..., None]).sum(2, keepdim=True) / mask.sum(2)[..., None, None]
    around = points - mean
    got = ext.sort_vertices_forward(around, mask, count)
    for p in range(polygons):
        n = int(count[0, p])
        index = got[0, p].long()
        assert sorted(index[:n].tolist()) == mask[0, p].nonzero()[:, 0].tolist() and index[n] == index[0], (p, index)
        turn = torch.atan2(around[0, p, index[:n], 1], around[0, p, index[:n], 0])
        step = (turn.roll(-1) - turn) % (2 * math.pi)
        assert abs(float(step.sum()) - 2 * math.pi) < 1e-3 or abs(float((-step % (2 * math.pi)).sum()) - 2 * math.pi) < 1e-3, (p, turn)
    print("equal: order of corners")


def pointnet2():
    """Pointnet2.PyTorch."""
    import pointnet2_utils as ops  # noqa: PLC0415
    xyz = torch.rand(2, 200, 3) + 0.5
    picked = ops.furthest_point_sample(xyz, 24)
    chosen, distance = [torch.zeros(2, dtype=torch.long)], torch.full((2, 200), 1e10)
    for _ in range(23):
        last = xyz.gather(1, chosen[-1][:, None, None].expand(-1, -1, 3))
        distance = torch.minimum(distance, ((xyz - last) ** 2).sum(-1))
        chosen.append(distance.argmax(1))
    show("furthest points", picked.long(), torch.stack(chosen, 1))
    features = torch.randn(2, 7, 200, requires_grad=True)
    copy = features.detach().clone().requires_grad_()
    got, expected = ops.gather_operation(features, picked), copy.gather(2, picked.long()[:, None].expand(-1, 7, -1))
    show("gather", got, expected)
    direction = torch.randn_like(expected)
    got.backward(direction)
    expected.backward(direction)
    show("its gradient", features.grad, copy.grad)
    new = xyz.gather(1, picked.long()[..., None].expand(-1, -1, 3)).contiguous()
    got, _ = ops.three_nn(xyz, new)
    show("three neighbours", got, torch.cdist(xyz.double(), new.double()).topk(3, dim=2, largest=False).values, rtol=1e-4, atol=1e-5)


def gaussians():
    """diff-gaussian-rasterization: round Gaussians before a camera at the origin, blended front to back."""
    from diff_gaussian_rasterization import GaussianRasterizationSettings, GaussianRasterizer  # noqa: PLC0415
    size, field, near, far = 48, 0.5, 0.01, 100.0
    project = torch.zeros(4, 4)
    project[0, 0] = project[1, 1] = 1 / field
    project[2, 2], project[2, 3], project[3, 2] = far / (far - near), -far * near / (far - near), 1.0
    settings = GaussianRasterizationSettings(image_height=size, image_width=size, tanfovx=field, tanfovy=field, bg=torch.tensor([0.1, 0.2, 0.3]),
                                             scale_modifier=1.0, viewmatrix=torch.eye(4), projmatrix=project.T.contiguous(), sh_degree=0,
                                             campos=torch.zeros(3), prefiltered=False, debug=False)
    count = 12
    middle = torch.cat([torch.rand(count, 2) - 0.5, torch.linspace(2, 5, count)[torch.randperm(count)][:, None]], 1)
    color, opacity, scale = torch.rand(count, 3), torch.rand(count, 1) * 0.8 + 0.1, torch.rand(count, 1) * 0.05 + 0.05
    turn = torch.tensor([1.0, 0, 0, 0]).expand(count, 4).contiguous()
    leaves = [t.clone().requires_grad_() for t in (middle, color, opacity, scale)]
    image, _ = GaussianRasterizer(settings)(means3D=leaves[0], means2D=torch.zeros(count, 3, requires_grad=True), opacities=leaves[2], colors_precomp=leaves[1],
                                            scales=leaves[3].expand(-1, 3).contiguous(), rotations=turn)
    mine = [t.double().requires_grad_() for t in (middle, color, opacity, scale)]
    x, y, z = mine[0].T
    focal = size / (2 * field)
    jacobian = torch.zeros(count, 2, 3, dtype=torch.float64)
    slope = torch.stack([torch.stack([focal / z, 0 * z, -focal * x / z ** 2], 1), torch.stack([0 * z, focal / z, -focal * y / z ** 2], 1)], 1)
    jacobian = jacobian + slope
    spread = jacobian @ jacobian.transpose(1, 2) * (mine[3] ** 2)[:, :, None] + 0.3 * torch.eye(2).double()
    inverse = torch.linalg.inv(spread)
    centre = torch.stack([((x / z / field + 1) * size - 1) / 2, ((y / z / field + 1) * size - 1) / 2], 1)
    pixel = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="xy"), -1).double()
    through, result = torch.ones(size, size).double(), torch.zeros(3, size, size).double()
    for k in z.argsort().tolist():
        d = pixel - centre[k]
        alpha = (mine[2][k] * torch.exp(-0.5 * torch.einsum("hwi,ij,hwj->hw", d, inverse[k], d))).clamp(max=0.99)
        alpha = torch.where(alpha < 1 / 255, 0.0, alpha)
        result = result + mine[1][k][:, None, None] * alpha * through
        through = through * (1 - alpha)
    result = result + settings.bg.double()[:, None, None] * through
    # The original cuts each Gaussian at three standard deviations, to whole tiles.
    show("picture", image.detach(), result.detach(), rtol=1e-3, atol=5e-3)
    direction = torch.randn(3, size, size)
    image.backward(direction)
    result.backward(direction.double())
    for name, a, b in zip(("places", "colours", "opacities", "sizes"), leaves, mine):
        show(f"gradient of {name}", a.grad, b.grad, rtol=5e-2, atol=5e-2 * float(b.grad.abs().max()))


if __name__ == "__main__":
    torch.manual_seed(0)
    globals()[sys.argv[1]]()
