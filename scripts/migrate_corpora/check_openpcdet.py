"""The operators of OpenPCDet in the migrated extension (run in its folder) against their definitions, in plain PyTorch."""
import math
import sys
import types

import torch

# A package that the utilities import and that no operator needs.
sys.modules.setdefault("SharedArray", types.ModuleType("SharedArray"))

from pcdet.ops.bev_pool import bev_pool  # noqa: E402
from pcdet.ops.ingroup_inds.ingroup_inds_op import ingroup_inds  # noqa: E402
from pcdet.ops.iou3d_nms import iou3d_nms_utils as iou3d  # noqa: E402
from pcdet.ops.pointnet2.pointnet2_batch import pointnet2_utils as batch  # noqa: E402
from pcdet.ops.pointnet2.pointnet2_stack import pointnet2_utils as stack  # noqa: E402
from pcdet.ops.pointnet2.pointnet2_stack.voxel_query_utils import voxel_query  # noqa: E402
from pcdet.ops.roiaware_pool3d import roiaware_pool3d_utils as roiaware  # noqa: E402
from pcdet.ops.roipoint_pool3d import roipoint_pool3d_utils as roipoint  # noqa: E402


def same(got, wanted, near=1e-5):
    torch.testing.assert_close(got, wanted, rtol=near, atol=near)


def boxes(n, spread, size):
    """x, y, z, dx, dy, dz, heading."""
    return torch.cat([torch.rand(n, 3) * spread, size * (0.5 + torch.rand(n, 3)), (torch.rand(n, 1) - 0.5) * 6], 1)


def corners(box):
    x, y, dx, dy, angle = (float(box[i]) for i in (0, 1, 3, 4, 6))
    c, s = math.cos(angle), math.sin(angle)
    return [(x + u * dx / 2 * c - v * dy / 2 * s, y + u * dx / 2 * s + v * dy / 2 * c) for u, v in ((1, 1), (-1, 1), (-1, -1), (1, -1))]


def overlap(a, b):
    """The area that two rectangles share: one is cut by each edge of the other."""
    shape, edges = corners(a), corners(b)
    for (px, py), (qx, qy) in zip(edges, edges[1:] + edges[:1]):
        def side(p, px=px, py=py, qx=qx, qy=qy):
            return (qx - px) * (p[1] - py) - (qy - py) * (p[0] - px)
        kept = []
        for p, q in zip(shape, shape[1:] + shape[:1]):
            if side(p) >= 0:
                kept.append(p)
            if (side(p) >= 0) != (side(q) >= 0):
                t = side(p) / (side(p) - side(q))
                kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        shape = kept
        if not shape:
            return 0.0
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(shape, shape[1:] + shape[:1])) / 2


def iou(a, b, height):
    area = overlap(a, b)
    if not height:
        return area / (float(a[3] * a[4] + b[3] * b[4]) - area)
    shared = min(a[2] + a[5] / 2, b[2] + b[5] / 2) - max(a[2] - a[5] / 2, b[2] - b[5] / 2)
    volume = area * max(float(shared), 0.0)
    return volume / (float(a[3:6].prod() + b[3:6].prod()) - volume)


def greedy(ious, score, limit):
    left, kept = score.argsort(descending=True).tolist(), []
    while left:
        kept.append(left.pop(0))
        left = [i for i in left if ious[kept[-1], i] <= limit]
    return kept


def check_iou3d():
    # The operator takes corners within 0.01 of an edge for inside: boxes are large beside that.
    a, b = boxes(40, 150, 40), boxes(70, 150, 40)
    flat = torch.tensor([[iou(x, y, False) for y in b] for x in a])
    solid = torch.tensor([[iou(x, y, True) for y in b] for x in a])
    same(iou3d.boxes_iou_bev(a, b), flat, 2e-3)
    same(iou3d.boxes_iou3d_gpu(a, b), solid, 2e-3)
    same(iou3d.boxes_aligned_iou3d_gpu(a, b[:40].contiguous())[:, 0], solid.diagonal(), 2e-3)
    same(iou3d.paired_boxes_iou3d_gpu(a, b[:40].contiguous()), solid.diagonal(), 2e-3)
    print("equal: IoU of rotated boxes")
    many, score = boxes(150, 200, 40), torch.rand(150)
    table = torch.tensor([[iou(x, y, False) for y in many] for x in many])
    limit = 0.2
    assert ((table - limit).abs() > 1e-4).all()
    assert iou3d.nms_gpu(many, score, limit)[0].tolist() == greedy(table, score, limit)
    upright = many.clone()
    upright[:, 6] = 0
    table = torch.tensor([[iou(x, y, False) for y in upright] for x in upright])
    assert iou3d.nms_normal_gpu(many, score, limit)[0].tolist() == greedy(table, score, limit)
    print("equal: non-maximum suppression")


def local(points, box):
    """Points in the frame of a box, and which are inside."""
    d = points - box[:3]
    c, s = torch.cos(-box[6]), torch.sin(-box[6])
    x, y = d[:, 0] * c - d[:, 1] * s, d[:, 0] * s + d[:, 1] * c
    inside = (d[:, 2].abs() <= box[5] / 2) & (x.abs() < box[3] / 2 + 1e-5) & (y.abs() < box[4] / 2 + 1e-5)
    return torch.stack([x, y, d[:, 2]], 1), inside


def check_roiaware():
    box = torch.stack([torch.cat([boxes(5, 1, 2), boxes(5, 1, 2) + 4])[:, :7] for _ in range(2)])
    points = torch.rand(2, 400, 3) * 6 - 1
    wanted = torch.full((2, 400), -1, dtype=torch.int32)
    for i in range(2):
        for k in reversed(range(10)):
            wanted[i][local(points[i], box[i, k])[1]] = k
    assert torch.equal(roiaware.points_in_boxes_gpu(points, box), wanted) and (wanted >= 0).any()
    print("equal: points in boxes")
    rois, points, most, size = boxes(6, 1, 3), torch.rand(900, 3) * 4 - 1.5, 9, (3, 4, 2)
    features = torch.randn(900, 5, requires_grad=True)
    for method in ("max", "avg"):
        voxels = {}
        for r in range(6):
            where, inside = local(points, rois[r])
            cell = ((where + rois[r, 3:6] / 2) / (rois[r, 3:6] / torch.tensor(size))).int()
            cell = torch.minimum(cell.clamp(min=0), torch.tensor(size) - 1)
            for k in inside.nonzero().flatten().tolist():
                members = voxels.setdefault((r, *cell[k].tolist()), [])
                if len(members) < most - 1:
                    members.append(k)
        wanted = torch.zeros(6, *size, 5)
        for at, members in voxels.items():
            chosen = features[members]
            wanted[at] = chosen.max(0).values if method == "max" else chosen.mean(0)
        got = roiaware.RoIAwarePool3d(size, most)(rois, points, features, method)
        same(got, wanted)
        direction = torch.randn_like(got)
        same(*(torch.autograd.grad((x * direction).sum(), features)[0] for x in (got, wanted)))
        assert len(voxels) > 40
    print("equal: RoI-aware pooling, and its gradient")


def check_roipoint():
    points, features, box = torch.rand(2, 300, 3) * 4, torch.randn(2, 300, 6), torch.stack([boxes(4, 4, 1.5) for _ in range(2)])
    box[1, 3, :3] = 90
    got, empty = roipoint.RoIPointPool3d(40, (0.5, 0.5, 0.5))(points, features, box)
    large = box.clone()
    large[..., 3:6] += 0.5
    for i in range(2):
        for k in range(4):
            found = local(points[i], large[i, k])[1].nonzero().flatten()[:40]
            assert bool(empty[i, k]) == (len(found) == 0)
            if len(found):
                chosen = found[torch.arange(40) % len(found)]
                same(got[i, k], torch.cat([points[i][chosen], features[i][chosen]], 1))
    print("equal: points pooled in boxes")


def check_groups():
    group = torch.randint(0, 9, (500,))
    got = ingroup_inds(group)
    for g in range(9):
        assert got[group == g].sort().values.tolist() == list(range(int((group == g).sum())))
    print("equal: indices in groups")
    depth, high, wide = 2, 5, 6
    features = torch.randn(700, 8, requires_grad=True)
    place = torch.stack([torch.randint(0, n, (700,)) for n in (high, wide, depth, 3)], 1)
    got = bev_pool(features, place, 3, depth, high, wide)
    wanted = torch.zeros(3, depth, high, wide, 8).index_put((place[:, 3], place[:, 2], place[:, 0], place[:, 1]), features, accumulate=True)
    wanted = wanted.permute(0, 4, 1, 2, 3)
    same(got, wanted)
    direction = torch.randn_like(got)
    same(*(torch.autograd.grad((x * direction).sum(), features)[0] for x in (got, wanted)))
    print("equal: bird's eye pooling, and its gradient")


def farthest(points, count):
    chosen, near = [0], torch.full((len(points),), 1e10)
    for _ in range(count - 1):
        near = torch.minimum(near, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(near.argmax()))
    return chosen


def in_ball(points, centre, radius, count):
    """The first `count` points nearer than `radius`, the first one again in the places left; None when there is none."""
    found = (((points - centre) ** 2).sum(1) < radius * radius).nonzero().flatten()[:count].tolist()
    return found + found[:1] * (count - len(found)) if found else None


def check_pair(got, wanted, leaf):
    same(got, wanted)
    direction = torch.randn_like(got)
    same(*(torch.autograd.grad((x * direction).sum(), leaf)[0] for x in (got, wanted)))


def check_batch():
    xyz, features = torch.rand(2, 300, 3), torch.randn(2, 7, 300, requires_grad=True)
    picked = batch.furthest_point_sample(xyz, 30)
    assert picked.tolist() == [farthest(x, 30) for x in xyz]
    print("equal: furthest points")
    check_pair(batch.gather_operation(features, picked), features.gather(2, picked.long()[:, None].expand(-1, 7, -1)), features)
    new = xyz.gather(1, picked.long()[..., None].expand(-1, -1, 3)).contiguous()
    index = batch.ball_query(0.2, 9, xyz, new)
    assert index.tolist() == [[in_ball(x, c, 0.2, 9) for c in centres] for x, centres in zip(xyz, new)]
    wanted = torch.stack([f[:, i.long()] for f, i in zip(features, index)])
    check_pair(batch.grouping_operation(features, index), wanted, features)
    print("equal: ball query, gathering and grouping, and their gradients")
    distance, index = batch.three_nn(xyz, new)
    same(distance, torch.cdist(xyz.double(), new.double()).topk(3, 2, largest=False).values.float(), 1e-4)
    weight, known = torch.rand(2, 300, 3), torch.randn(2, 7, 30, requires_grad=True)
    wanted = torch.stack([(k[:, i.long()] * w).sum(2) for k, i, w in zip(known, index, weight)])
    check_pair(batch.three_interpolate(known, index, weight), wanted, known)
    print("equal: three nearest neighbours, interpolation, and its gradient")


def check_stack():
    size, count = [210, 150], [20, 33]
    first, start = [0, 210], [0, 20]
    xyz, features = torch.rand(360, 3), torch.randn(360, 8, requires_grad=True)
    sizes, counts = (torch.tensor(n, dtype=torch.int32) for n in (size, count))
    picked = stack.stack_farthest_point_sample(xyz, sizes, count)
    wanted = [f + i for f, s, n in zip(first, size, count) for i in farthest(xyz[f:f + s], n)]
    assert picked.tolist() == wanted
    assert stack.farthest_point_sample(xyz[None, :210], 20).tolist() == [wanted[:20]]
    print("equal: furthest points, stacked")
    new = xyz[picked.long()] + 0.05
    new[3] = 20  # a ball without points
    index, empty = stack.ball_query(0.2, 9, xyz, sizes, new, counts)
    balls = [in_ball(xyz[f:f + s], c, 0.2, 9) for f, s, b, n in zip(first, size, start, count) for c in new[b:b + n]]
    assert index.tolist() == [ball or [0] * 9 for ball in balls]
    assert empty.tolist() == [ball is None for ball in balls] and empty.any()
    at = torch.cat([index[b:b + n].long() + f for f, b, n in zip(first, start, count)])
    check_pair(stack.grouping_operation(features, sizes, index, counts), features[at].transpose(1, 2), features)
    print("equal: ball query and grouping, stacked, and the gradient")
    distance, index = stack.three_nn(xyz, sizes, new, counts)
    for f, s, b, n in zip(first, size, start, count):
        same(distance[f:f + s], torch.cdist(xyz[f:f + s].double(), new[b:b + n].double()).topk(3, 1, largest=False).values.float(), 1e-4)
    weight, known = torch.rand(360, 3), torch.randn(53, 8, requires_grad=True)
    check_pair(stack.three_interpolate(known, index, weight), (known[index.long()] * weight[..., None]).sum(1), known)
    print("equal: three nearest neighbours and interpolation, stacked, and the gradient")
    grid = torch.full((2, 6, 6, 6), -1, dtype=torch.int32)
    cell = (xyz * 6).long()
    owner = (torch.arange(360) >= 210).long()
    grid[owner, cell[:, 2], cell[:, 1], cell[:, 0]] = torch.arange(360, dtype=torch.int32)
    inner = torch.cat([xyz[5:25], xyz[300:333]])
    batch_of = torch.cat([torch.zeros(20), torch.ones(33)]).long()
    coords = torch.cat([batch_of[:, None], (inner * 6).long().flip(1)], 1).int()
    got, empty = voxel_query((1, 2, 1), 0.25, 6, xyz, inner.contiguous(), coords.contiguous(), grid)
    for m in range(53):
        b, z, y, x = coords[m].tolist()
        cells = [(k, j, i) for k in range(z - 1, z + 2) for j in range(y - 2, y + 3) for i in range(x - 1, x + 2) if all(0 <= c < 6 for c in (k, j, i))]
        there = [int(grid[(b, *c)]) for c in cells]
        found = [p for p in there if p >= 0 and ((xyz[p] - inner[m]) ** 2).sum() <= 0.25 ** 2][:6]
        assert got[m].tolist() == (found + found[:1] * (6 - len(found)) if found else [0] * 6)
        assert bool(empty[m]) == (not found)
    print("equal: voxel query")
    reach, (gx, gy, gz) = 0.3, (2, 3, 2)
    new = xyz[picked.long()].contiguous()
    got, where, _, number = stack.vector_pool_with_voxel_query_op(xyz, sizes, features, new, counts, gx, gy, gz, reach, 4, True, 20, -1, 0, 0)
    total, offset, amount = torch.zeros(53, 12, 4), torch.zeros(53, 12, 3), torch.zeros(53, 12)
    rows = []
    for f, s, b, n in zip(first, size, start, count):
        for m in range(b, b + n):
            d = xyz[f:f + s] - new[m]
            for k in ((d.abs() <= reach).all(1)).nonzero().flatten().tolist():
                c = ((d[k] + reach) / (reach * 2 / torch.tensor([gx, gy, gz]))).floor().int().tolist()
                cube = min(max(c[0] * gy * gz + c[1] * gz + c[2], 0), 11)
                rows.append((m, cube, f + k))
                offset[m, cube] += d[k]
                amount[m, cube] += 1
    m, cube, k = torch.tensor(rows).T
    total = total.index_put((m, cube), features[k].view(-1, 2, 4).sum(1), accumulate=True)
    number_of = amount.clamp(min=1e-6)[..., None]
    assert torch.equal(number.float(), amount)
    same(where, (offset / number_of).flatten(1))
    check_pair(got, (total / number_of).flatten(1), features)
    print("equal: vector pooling, and its gradient")
    centres = new[:, None] + torch.randn(53, 5, 3) * 0.05
    distance, index, _ = stack.three_nn_for_vector_pool_by_two_step(xyz, sizes, new, centres, counts, 0.2, -1, 1, 30, 5, 1.5)
    for f, s, b, n in zip(first, size, start, count):
        for i in range(b, b + n):
            near = (((xyz[f:f + s] - new[i]) ** 2).sum(1) <= 0.3 ** 2).nonzero().flatten() + f
            best = ((xyz[near] - centres[i][:, None]) ** 2).sum(2).sqrt().topk(min(3, len(near)), 1, largest=False)
            order = list(range(len(near)))[:3] + [0] * (3 - len(near))
            same(distance[i], best.values[:, order], 1e-4)
            assert torch.equal(index[i].long(), near[best.indices][:, order])
    print("equal: three nearest neighbours in two steps")


def main():
    torch.manual_seed(0)
    for check in (check_iou3d, check_roiaware, check_roipoint, check_groups, check_batch, check_stack):
        check()


if __name__ == "__main__":
    main()
