"""Rotated_IoU's sorting of a convex polygon's corners, migrated (run in its folder): all of them, in order around the middle."""
import math

import torch


def main():
    import sort_vertices as ext
    torch.manual_seed(0)
    polygons, corners = 40, 24
    count = torch.randint(3, 8, (1, polygons), dtype=torch.int32)
    mask = torch.zeros(1, polygons, corners, dtype=torch.bool)
    angle = torch.rand(1, polygons, corners) * 2 * math.pi
    for p in range(polygons):
        mask[0, p, torch.randperm(16)[:int(count[0, p])] + 8] = True
    points = torch.stack([angle.cos(), angle.sin()], -1)
    around = points - (points * mask[..., None]).sum(2, keepdim=True) / mask.sum(2)[..., None, None]
    got = ext.sort_vertices_forward(around, mask, count)
    for p in range(polygons):
        n, index = int(count[0, p]), got[0, p].long()
        assert sorted(index[:n].tolist()) == mask[0, p].nonzero()[:, 0].tolist() and index[n] == index[0], (p, index)
        turn = torch.atan2(around[0, p, index[:n], 1], around[0, p, index[:n], 0])
        steps = (turn.roll(-1) - turn) % (2 * math.pi)
        once = [abs(float(s.sum()) - 2 * math.pi) < 1e-3 for s in (steps, -steps % (2 * math.pi))]
        assert any(once), (p, turn)
    print("equal: order of corners")


if __name__ == "__main__":
    main()
