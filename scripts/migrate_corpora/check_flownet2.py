"""flownet2's operators in the migrated extension (run in its folder) against their formulas in plain PyTorch, in double."""
import torch
from channelnorm_package.channelnorm import ChannelNorm
from correlation_package.correlation import Correlation
from resample2d_package.resample2d import Resample2d


def correlate(a, b, reach, step):
    """out[displacement, y, x]: the mean over channels of a at (y, x) times b displaced by multiples of step."""
    b = torch.nn.functional.pad(b, (reach,) * 4)
    places = range(0, 2 * reach + 1, step)
    return torch.stack([(a * b[:, :, y:y + a.shape[2], x:x + a.shape[3]]).mean(1) for y in places for x in places], 1)


def warp(image, flow):
    """Bilinear, with places outside moved to the border."""
    n, channels, height, width = image.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x + flow[:, 0], y + flow[:, 1]
    a, b = x - x.floor(), y - y.floor()
    out = 0
    for dy, dx, weight in ((0, 0, (1 - a) * (1 - b)), (0, 1, a * (1 - b)), (1, 0, (1 - a) * b), (1, 1, a * b)):
        index = (y.floor().long() + dy).clamp(0, height - 1) * width + (x.floor().long() + dx).clamp(0, width - 1)
        out = out + weight[:, None] * image.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, channels, -1)).view(n, channels, height, width)
    return out


def compare(name, ours, theirs, *inputs):
    mine = [x.clone().requires_grad_() for x in inputs]
    double = [x.double().requires_grad_() for x in inputs]
    got, expected = ours(*mine), theirs(*double)
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
    print("equal:", name)
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction.double())
    for x, y in zip(mine, double):
        torch.testing.assert_close(x.grad.double(), y.grad, rtol=1e-4, atol=1e-4)
    print("equal:", name + ", gradients")


def main():
    torch.manual_seed(0)
    a, b = torch.randn(2, 40, 7, 9), torch.randn(2, 40, 7, 9)
    compare("correlation", Correlation(pad_size=4, kernel_size=1, max_displacement=4, stride1=1, stride2=2, corr_multiply=1),
            lambda x, y: correlate(x, y, 4, 2), a, b)
    # Flows that stay inside and point right and down: the original's gradient rounds towards zero elsewhere.
    flow = torch.rand(2, 2, 7, 9) * 0.9
    compare("resample2d", Resample2d(), warp, torch.randn(2, 3, 7, 9), flow)
    compare("channelnorm", ChannelNorm(), lambda x: x.square().sum(1, keepdim=True).sqrt(), a)


if __name__ == "__main__":
    main()
