"""torch_scatter in the migrated extension (run in its folder) against PyTorch's own operators: results, which entry won, gradients."""
import torch
import torch_scatter as ops

REDUCE = {"sum": "sum", "mean": "mean", "min": "amin", "max": "amax"}


def expected(x, index, rows, reduce):
    out = torch.zeros(rows, x.shape[1], dtype=x.dtype)
    return out.scatter_reduce(0, index[:, None].expand_as(x), x, REDUCE[reduce], include_self=False)


def main():
    torch.manual_seed(0)
    index = torch.cat([torch.arange(12), torch.randint(0, 12, (188,))]).sort().values
    pointer = torch.searchsorted(index, torch.arange(13))
    shuffled = index[torch.randperm(200)]
    close = torch.testing.assert_close
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(200, 5, dtype=dtype)
        for reduce in REDUCE:
            for name, function, where in (("scatter", lambda x, r: ops.scatter(x, shuffled, 0, dim_size=12, reduce=r), shuffled),
                                          ("segment_coo", lambda x, r: ops.segment_coo(x, index, dim_size=12, reduce=r), index),
                                          ("segment_csr", lambda x, r: ops.segment_csr(x, pointer, reduce=r), index)):
                a, b = x.clone().requires_grad_(), x.to(torch.float64, copy=True).requires_grad_()
                got, wanted = function(a, reduce), expected(b, where, 12, reduce)
                close(got.double(), wanted, rtol=1e-5, atol=1e-5, msg=f"{name} {reduce} {dtype}")
                direction = torch.randn_like(got)
                got.backward(direction)
                wanted.backward(direction.double())
                close(a.grad.double(), b.grad, rtol=1e-5, atol=1e-5)
        print(f"equal: scatter, segment_coo and segment_csr of {dtype}, with gradients")
    whole = torch.randint(-50, 50, (200, 5))
    for reduce in ("sum", "min", "max"):
        close(ops.segment_csr(whole, pointer, reduce=reduce), expected(whole, index, 12, reduce))
        close(ops.segment_coo(whole, index, dim_size=12, reduce=reduce), expected(whole, index, 12, reduce))
    print("equal: segments of integers")
    x = torch.randn(200, 5)
    value, where = ops.scatter_max(x, shuffled, 0, dim_size=12)
    close(x.gather(0, where), value)
    assert (shuffled[where] == torch.arange(12)[:, None]).all()
    print("equal: arguments of maxima")
    rows = torch.randn(12, 5)
    close(ops.gather_csr(rows, pointer), rows[index])
    close(ops.gather_coo(rows, index), rows[index])
    print("equal: gather_csr and gather_coo")


if __name__ == "__main__":
    main()
