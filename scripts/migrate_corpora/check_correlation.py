"""The migrated correlation against the formula, forward and gradients (run in its folder)."""
import itertools

import torch
from spatial_correlation_sampler import spatial_correlation_sample


def formula(a, b, kernel, patch, stride, pad):
    """out[n, p, q, y, x] = sum over channels and kernel of a at (y, x) times b displaced by (p, q)."""
    n, _, height, width = a.shape
    reach = patch // 2 + pad
    a = torch.nn.functional.pad(a, (pad,) * 4)
    b = torch.nn.functional.pad(b, (reach,) * 4)
    rows = []
    for p, q in itertools.product(range(patch), range(patch)):
        product = (a * b[:, :, p:p + a.shape[2], q:q + a.shape[3]]).sum(1, keepdim=True)
        weight = torch.ones(1, 1, kernel, kernel, dtype=a.dtype)
        rows.append(torch.nn.functional.conv2d(product, weight, stride=stride)[:, 0])
    return torch.stack(rows, 1).unflatten(1, (patch, patch))


def main():
    torch.manual_seed(0)
    for kernel, patch, stride, pad in ((1, 3, 1, 0), (3, 5, 2, 1)):
        a, b = (torch.randn(2, 4, 12, 14, dtype=torch.float64, requires_grad=True) for _ in range(2))
        c, d = (t.detach().clone().requires_grad_() for t in (a, b))
        got = spatial_correlation_sample(a, b, kernel_size=kernel, patch_size=patch, stride=stride, padding=pad)
        expected = formula(c, d, kernel, patch, stride, pad)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
        print(f"equal: forward {kernel} {patch} {stride} {pad}")
        direction = torch.randn_like(expected)
        got.backward(direction)
        expected.backward(direction)
        torch.testing.assert_close(a.grad, c.grad, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(b.grad, d.grad, rtol=1e-9, atol=1e-9)
        print(f"equal: gradients {kernel} {patch} {stride} {pad}")


if __name__ == "__main__":
    main()
