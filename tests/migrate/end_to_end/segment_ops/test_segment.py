"""The extension's own tests, against PyTorch on the CPU."""
import torch

import segment_ops

ROWS, CHANNELS, SEGMENTS = 200, 5, 17


def close(name, got, expected, tolerance):
    error = (got.double().cpu() - expected.double().cpu()).abs().max().item()
    assert error <= tolerance, f"{name}: off by {error}, at most {tolerance} expected"
    print(f"{name}: off by {error:.1e}")


def main():
    torch.manual_seed(1)
    device = torch.device("cuda:0")
    segment = torch.cat([torch.arange(SEGMENTS), torch.randint(0, SEGMENTS, (ROWS - SEGMENTS,))])
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-13), (torch.float16, 3e-2)):
        x = torch.randn(ROWS, CHANNELS).to(dtype)
        expected = torch.zeros(SEGMENTS, CHANNELS, dtype=torch.float64).index_add(0, segment, x.double())
        close(f"sum {dtype}", segment_ops.segment_sum(x.to(device), segment.cuda(), SEGMENTS), expected, tolerance)
        count = torch.bincount(segment, minlength=SEGMENTS).double()[:, None]
        close(f"mean {dtype}", segment_ops.segment_mean(x.to(device), segment.to(device), SEGMENTS), expected / count, tolerance)
    x = torch.randn(ROWS, CHANNELS)
    expected = torch.stack([x[segment == s].max(0).values for s in range(SEGMENTS)])
    close("max", segment_ops.segment_max(x.cuda(), segment.cuda(), SEGMENTS), expected, 0)

    x = torch.randn(20, 3, dtype=torch.float64, device="cuda", requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: segment_ops.segment_sum(t, segment[:20].cuda(), SEGMENTS), (x,))
    print("gradcheck of sum: passed")

    # Runs are counted by a variable that three kernels share, each compiled by itself.
    for run, dtype, taps in ((1, torch.float32, [0.25, 0.5, 0.25]), (2, torch.float32, [0.1, 0.2, 0.4, 0.2, 0.1]),
                             (3, torch.float64, [0.25, 0.25, 0.5]), (4, torch.float32, [0.5, 0.25, 0.25])):
        x = torch.randn(6, 41, dtype=dtype).cuda()
        kernel = torch.tensor(taps, dtype=dtype)[None, None]
        got, runs = segment_ops.smooth(x, taps)
        close(f"smooth {len(taps)}", got, torch.nn.functional.conv1d(x.cpu()[:, None], kernel, padding=len(taps) // 2)[:, 0], 1e-6)
        assert runs == run, (runs, run)
    assert x.dtype == torch.float32
    low, high = segment_ops.bounds(x.t())
    assert (low, high) == (x.min().item(), x.max().item())
    print("bounds: equal")


if __name__ == "__main__":
    main()
