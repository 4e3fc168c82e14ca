"""chamferdist's kernels in the migrated extension (run in its folder) against torch.cdist and its gradients in double."""
import torch
from chamferdist import ChamferDistance
from chamferdist.chamfer import knn_points


def nearest(x, y, lengths, k):
    """Squares of the distances to the k nearest of the first `lengths` points of y."""
    square = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    square = square.masked_fill(torch.arange(y.shape[1]) >= lengths[:, None, None], float("inf"))
    return square.topk(k, dim=2, largest=False)


def leaves(*tensors):
    """For the kernels and for the definition."""
    return [[t.clone().to(dtype).requires_grad_() for t in tensors] for dtype in (torch.float32, torch.float64)]


def compare(what, got, expected, ours, theirs):
    direction = torch.randn(got.shape)
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)
    (got * direction).sum().backward()
    (expected * direction.double()).sum().backward()
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-3, atol=1e-3)
    print("equal:", what)


def main():
    torch.manual_seed(0)
    # Each of the four ways to search is chosen for some dimensions and numbers of neighbours.
    for dimensions, k, n, m in ((3, 1, 70, 90), (3, 5, 65, 130), (8, 3, 40, 40), (2, 40, 33, 77), (40, 2, 33, 21)):
        x, y = torch.randn(2, n, dimensions), torch.randn(2, m, dimensions)
        lengths = torch.tensor([m, max(k, m - 15)])
        ours, theirs = leaves(x, y)
        found = knn_points(*ours, lengths2=lengths, K=k)
        wanted = nearest(*theirs, lengths, k)
        assert torch.equal(found.idx, wanted.indices), "neighbours"
        compare(f"{k} nearest of {m} points with {dimensions} dimensions, and gradients", found.dists, wanted.values, ours, theirs)
    ours, theirs = leaves(torch.randn(3, 50, 3), torch.randn(3, 80, 3))
    square = torch.cdist(*theirs) ** 2
    both = square.min(2).values.sum(1).mean() + square.min(1).values.sum(1).mean()
    compare("distance both ways, and gradients", ChamferDistance()(*ours, bidirectional=True), both, ours, theirs)


if __name__ == "__main__":
    main()
