"""PointNet++'s operators in the migrated extension (run in its folder) against plain PyTorch."""
import torch
from pointnet2_ops import pointnet2_utils as ops


def farthest(xyz, count):
    chosen, distance = [torch.zeros(xyz.shape[0], dtype=torch.long)], torch.full(xyz.shape[:2], 1e10)
    for _ in range(count - 1):
        last = xyz.gather(1, chosen[-1][:, None, None].expand(-1, -1, 3))
        distance = torch.minimum(distance, ((xyz - last) ** 2).sum(-1))
        chosen.append(distance.argmax(1))
    return torch.stack(chosen, 1)


def main():
    torch.manual_seed(0)
    xyz = torch.rand(2, 200, 3) + 0.5
    picked = ops.furthest_point_sample(xyz, 24)
    torch.testing.assert_close(picked.long(), farthest(xyz, 24))
    print("equal: furthest point sampling")

    features = torch.randn(2, 7, 200, requires_grad=True)
    copy = features.detach().clone().requires_grad_()
    got = ops.gather_operation(features, picked)
    expected = copy.gather(2, picked.long()[:, None].expand(-1, 7, -1))
    torch.testing.assert_close(got, expected)
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(features.grad, copy.grad)
    print("equal: gather, and its gradient")

    new = xyz.gather(1, picked.long()[..., None].expand(-1, -1, 3)).contiguous()
    near, count = 0.3, 12
    got = ops.ball_query(near, count, xyz, new)
    inside = ((new[:, :, None] - xyz[:, None]) ** 2).sum(-1) < near * near
    for b in range(2):
        for m in range(24):
            found = inside[b, m].nonzero()[:count, 0]
            wanted = torch.cat([found, found[:1].expand(count - len(found))])
            assert torch.equal(got[b, m].long(), wanted), (b, m, got[b, m], wanted)
    print("equal: ball query")

    features.grad = copy.grad = None
    grouped = ops.grouping_operation(features, got)
    expected = copy.gather(2, got.long().flatten(1)[:, None].expand(-1, 7, -1)).unflatten(2, got.shape[1:])
    torch.testing.assert_close(grouped, expected)
    direction = torch.randn_like(grouped)
    grouped.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(features.grad, copy.grad, rtol=1e-5, atol=1e-5)
    print("equal: grouping, and its gradient")

    distance, index = ops.three_nn(xyz, new)
    wanted, where = torch.cdist(xyz.double(), new.double()).topk(3, dim=2, largest=False)
    torch.testing.assert_close(distance.double(), wanted, rtol=1e-4, atol=1e-5)
    print("equal: three nearest neighbours")

    weight = torch.rand(2, 200, 3)
    weight = weight / weight.sum(2, keepdim=True)
    known = torch.randn(2, 7, 24, requires_grad=True)
    copy = known.detach().clone().requires_grad_()
    got = ops.three_interpolate(known, index, weight)
    expected = (copy.gather(2, index.long().flatten(1)[:, None].expand(-1, 7, -1)).unflatten(2, (200, 3)) * weight[:, None]).sum(3)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(known.grad, copy.grad, rtol=1e-4, atol=1e-4)
    print("equal: interpolation, and its gradient")


if __name__ == "__main__":
    main()
