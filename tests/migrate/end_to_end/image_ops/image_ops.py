"""Python side of image_ops: loads the operators, and checks them against PyTorch's own when run."""
import glob
import os

import torch

_here = os.path.dirname(os.path.abspath(__file__))
torch.ops.load_library(glob.glob(os.path.join(_here, "image_ops_cuda*.so"))[0])
ops = torch.ops.image_ops


def check(name, got, expected, tolerance):
    error = (got.double().cpu() - expected.double().cpu()).abs().max().item()
    assert error <= tolerance, f"{name}: off by {error}, at most {tolerance} expected"
    print(f"{name}: off by {error:.1e}")


def libraries():
    """cooperative groups, cub, thrust, cuBLAS, cuRAND."""
    x = torch.randn(96, device="cuda")
    tiles, before, out, uniform, normal = ops.collectives(x)
    rows = x.view(6, 16)
    check("tiles", tiles, torch.stack([rows.sum(1), rows.max(1).values, rows.sum(1)], 1), 1e-5)
    check("block scan", before, x.double().cumsum(0) - x, 1e-5)
    check("block and warp reductions", out, torch.cat([torch.stack([x.sum(), x.max(), x.sum()]), x.view(3, 32).sum(1)]), 1e-5)
    row = torch.randn(1000, device="cuda")
    running, again, sums = ops.chunks(row)
    check("chunks: running sums", running, row.double().cumsum(0), 1e-4)
    check("chunks: exchanged", again, running, 0)
    check("chunks: sums of pairs", sums, torch.stack([row.double().sum(), row.double().square().sum()]), 1e-3)
    row = torch.randn(512, device="cuda")
    doubled, scratch, sums = ops.habits(row)
    check("vectors: doubled", doubled, 2 * row, 0)
    check("vectors: four before and four", scratch.view(-1, 8), 2 * torch.cat([row.new_zeros(4), row]).unfold(0, 8, 4), 0)
    check("sums of a warp in step", sums, row.view(4, 128).double().sum(1), 1e-4)
    moments = torch.stack([uniform.mean(), uniform.var(), normal.mean(), normal.var()])
    check("moments of random numbers", moments, torch.tensor([1 / 2, 1 / 12, 0, 1]), 0.04)
    assert 0 < uniform.min() and uniform.max() <= 1 and len(uniform.unique()) > 19000

    keys, values = torch.randint(-2**62, 2**62, (300,), device="cuda"), torch.arange(300, dtype=torch.int32, device="cuda")
    top_bit = -2**63  # keys are sorted as unsigned
    up, down = torch.argsort(keys ^ top_bit), torch.argsort(keys, descending=True)
    expected = (keys[up], values[up], values.cumsum(0) - values, keys[down], values[down], torch.stack([values.sum(), values.sum() + 5]))
    for name, got, wanted in zip(("keys", "values", "scan", "keys down", "values down", "sums"), ops.algorithms(keys, values), expected):
        assert torch.equal(got, wanted.to(got.dtype)), name
    a, b = torch.randn(5, 7, device="cuda"), torch.randn(7, 3, device="cuda")
    check("product", ops.product(a, b), a.double() @ b.double(), 1e-5)


def main():
    torch.manual_seed(0)
    assert torch.cuda.is_available()
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-14), (torch.float16, 1e-3)):
        image = torch.randn(5, 17, 23).to(dtype).cuda()
        for kernel, stride, pad in ((3, 1, 1), (5, 2, 0), (2, 3, 2)):
            expected = torch.nn.functional.unfold(image.double()[None], kernel, stride=stride, padding=pad)[0]
            check(f"unfold {dtype} {kernel}", ops.unfold(image, kernel, stride, pad), expected, 0)
        x = torch.randn(9, 301).to(dtype).cuda()
        check(f"softmax {dtype}", ops.softmax_rows(x), torch.softmax(x.double(), 1), max(tolerance, 1e-7))
        if dtype != torch.float16:
            check(f"transpose {dtype}", ops.transpose(x), x.t(), 0)
            a, b = torch.randn(13, 7, dtype=dtype, device="cuda"), torch.randn(7, 33, dtype=dtype, device="cuda").t()
            check(f"distances {dtype}", ops.distances(a, b), torch.cdist(a.double(), b.double()), 10 * tolerance)
    x = torch.arange(16.0, device="cuda")
    check("additions", ops.additions(x), 3 * x + 64.5 + 1000 * (torch.arange(16) % 4 == 3), 0)
    numbers = torch.rand(50, device="cuda")
    check("order", ops.order(numbers), numbers.argsort(descending=True), 0)
    check("additions, double", ops.additions(x.double()), 3 * x + 64, 0)
    x = torch.rand(11, 75, device="cuda")
    check("row_sum", ops.row_sum(x), x.double().sum(1), 1e-12)
    x = torch.rand(5000).cuda() * 1.2 - 0.1
    counts = ops.histogram(x, 0.0, 1.0, 24)
    torch.cuda.synchronize()
    check("histogram", counts, torch.bincount((x * 24).floor().clamp(0, 23).long(), minlength=24), 3)
    assert counts.sum().item() == 5000
    libraries()
    try:
        ops.transpose(torch.randn(4, 6).cuda().t())
        raise AssertionError("a tensor that is not contiguous was taken")
    except RuntimeError as error:
        assert "must be contiguous" in str(error), error


if __name__ == "__main__":
    main()
