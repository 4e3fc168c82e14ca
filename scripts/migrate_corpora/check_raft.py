"""RAFT's alternative correlation, migrated (run in its folder), against its definition: at each offset of a window, the product of one picture's
features with the other's, sampled between pixels. Its gradient against the definition's, differentiated by PyTorch."""
import torch


def correlation(one, two, coords, radius):
    batch, height, width, channels = one.shape
    side, margin = 2 * radius + 1, 20
    padded = torch.nn.functional.pad(two, (0, 0, margin, margin, margin, margin))
    rows = torch.arange(batch)[:, None, None]
    windows = []
    for i in range(side):
        for j in range(side):
            x, y = coords[:, 0, ..., 0] + i - radius, coords[:, 0, ..., 1] + j - radius
            left, top = x.floor(), y.floor()
            total = torch.zeros(batch, height, width, dtype=one.dtype)
            for down in (0, 1):
                for right in (0, 1):
                    weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
                    total = total + weight * (padded[rows, top.long() + down + margin, left.long() + right + margin] * one).sum(-1)
            windows.append(total)
    return torch.stack(windows, 1)


def main():
    import alt_cuda_corr as ext
    torch.manual_seed(0)
    for batch, height, width, channels, radius in ((2, 9, 11, 64, 3), (1, 4, 8, 32, 4), (3, 17, 6, 96, 1)):
        one, two = (torch.randn(batch, height, width, channels) for _ in range(2))
        coords = torch.rand(batch, 1, height, width, 2) * 12 - 1
        leaves = [t.double().requires_grad_() for t in (one, two)]
        expected = correlation(*leaves, coords.double(), radius)
        got, = ext.forward(one, two, coords, radius)
        torch.testing.assert_close(got[:, 0].double(), expected.detach(), rtol=1e-4, atol=1e-4)
        print("equal: correlation at offsets", tuple(got.shape))
        direction = torch.randn_like(got)
        expected.backward(direction[:, 0].double())
        back = ext.backward(one, two, coords, direction, radius)
        for name, value, leaf in zip(("first", "second"), back, leaves):
            torch.testing.assert_close(value.double(), leaf.grad, rtol=1e-3, atol=1e-3)
            print(f"equal: gradient of the {name} picture")


if __name__ == "__main__":
    main()
