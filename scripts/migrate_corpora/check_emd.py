"""PyTorchEMD's operators in the migrated extension (run in its folder) against plain PyTorch in double."""
import itertools

import torch
from emd import earth_mover_distance


def matching(x, y):
    """Who sends how much to whom, by the approximation of Fan, Su and Guibas (CVPR 2017): rounds with an ever wider reach, in each of which
    all offer what they have left, by closeness, and take what they still can."""
    near = torch.cdist(x, y) ** 2
    n, m = near.shape
    left, right = torch.full((n,), float(max(1, m // n))).double(), torch.full((m,), float(max(1, n // m))).double()
    total = torch.zeros(n, m).double()
    for level in [-4.0 ** j for j in range(7, -2, -1)] + [0.0]:
        closeness = torch.exp(level * near)
        offered = closeness * (left / ((closeness * right).sum(1) + 1e-9))[:, None]
        wanted = offered.sum(0) * right
        taken = (right / (wanted + 1e-9)).clamp(max=1) * right
        right = (right - wanted).clamp(min=0)
        sent = offered * taken
        total += sent
        left = (left - sent.sum(1)).clamp(min=0)
    return total


def main():
    torch.manual_seed(0)
    for batch, n, m in ((3, 7, 7), (2, 64, 32), (2, 90, 1300)):
        x, y = torch.randn(batch, n, 3), torch.randn(batch, m, 3)
        ours, theirs = [[t.clone().to(dtype).requires_grad_() for t in (x, y)] for dtype in (torch.float32, torch.float64)]
        got = earth_mover_distance(*ours, transpose=False)
        flows = [matching(a, b) for a, b in zip(*(t.detach() for t in theirs))]
        expected = torch.stack([(flow * ((a[:, None] - b) ** 2).sum(-1)).sum() for a, b, flow in zip(*theirs, flows)])
        torch.testing.assert_close(got.double(), expected, rtol=1e-3, atol=1e-4)
        direction = torch.randn(batch)
        got.backward(direction)
        expected.backward(direction.double())
        for mine, other in zip(ours, theirs):
            torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-2, atol=1e-3)
        print(f"equal: distance of {n} and {m} points, and its gradients")
        if n == 7:  # the best of all matchings is not much better
            best = [min(sum(((a[i] - b[k]) ** 2).sum() for i, k in enumerate(p)) for p in itertools.permutations(range(n))) for a, b in zip(x, y)]
            assert all(b <= d * 1.001 and d <= 1.5 * b for b, d in zip(best, got.tolist())), (best, got)


if __name__ == "__main__":
    main()
