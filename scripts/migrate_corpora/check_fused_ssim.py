"""fused-ssim, migrated (run in its folder), against structural similarity by convolutions in double precision."""
import torch
from fused_ssim import fused_ssim


def definition(one, two):
    steps = torch.arange(11).double() - 5
    line = torch.exp(-steps**2 / (2 * 1.5**2))
    line = line / line.sum()
    window = (line[:, None] * line[None])[None, None].expand(one.shape[1], 1, 11, 11)

    def blur(x):
        return torch.nn.functional.conv2d(x, window, padding=5, groups=x.shape[1])

    a, b = blur(one), blur(two)
    spread_a, spread_b, common = blur(one * one) - a * a, blur(two * two) - b * b, blur(one * two) - a * b
    low, high = 0.01**2, 0.03**2
    return ((2 * a * b + low) * (2 * common + high) / ((a * a + b * b + low) * (spread_a + spread_b + high))).mean()


def main():
    torch.manual_seed(0)
    one, two = torch.rand(2, 3, 37, 50, requires_grad=True), torch.rand(2, 3, 37, 50)
    leaf = one.detach().double().requires_grad_()
    got, expected = fused_ssim(one, two), definition(leaf, two.double())
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-5)
    print("equal: similarity")
    got.backward()
    expected.backward()
    torch.testing.assert_close(one.grad.double(), leaf.grad, rtol=1e-3, atol=1e-3 * float(leaf.grad.abs().max()))
    print("equal: its gradient")


if __name__ == "__main__":
    main()
