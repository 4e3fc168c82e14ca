"""torch_cluster in the migrated extension (run in its folder) against plain PyTorch in double."""
import torch
import torch_cluster as ops


def farthest(points, count):
    chosen, distance = [0], ((points - points[0]) ** 2).sum(1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
    return chosen


def main():
    torch.manual_seed(0)
    sizes = (100, 40, 160)
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    x = torch.randn(sum(sizes), 3)
    starts = [0, 100, 140]
    picked = ops.fps(x, batch, ratio=0.25, random_start=False)
    expected = [s + i for s, n in zip(starts, sizes) for i in farthest(x[s:s + n].double(), n // 4)]
    assert picked.tolist() == expected
    print("equal: furthest points")

    y, of_y = torch.randn(30, 3), torch.arange(3).repeat_interleave(10)
    distance = torch.cdist(y.double(), x.double()).masked_fill(of_y[:, None] != batch, float("inf"))
    for cosine in (False, True):
        row, col = ops.knn(x, y, 4, batch, of_y, cosine=cosine)
        measure = distance
        if cosine:
            measure = 1 - torch.nn.functional.normalize(y.double()) @ torch.nn.functional.normalize(x.double()).T
            measure = measure.masked_fill(of_y[:, None] != batch, float("inf"))
        assert torch.equal(row, torch.arange(30).repeat_interleave(4))
        torch.testing.assert_close(measure[row, col].view(30, 4), measure.topk(4, largest=False).values, rtol=1e-5, atol=1e-5)
    print("equal: nearest neighbours, by distance and by angle")

    row, col = ops.radius(x, y, 0.8, batch, of_y, max_num_neighbors=200)
    found = torch.zeros_like(distance, dtype=torch.bool)
    found[row, col] = True
    assert torch.equal(found, distance < 0.8)
    assert len(ops.radius(x, y, 3, batch, of_y, max_num_neighbors=5)[0]) <= 150
    print("equal: neighbours in a radius")

    assert torch.equal(ops.nearest(x, y, batch, of_y), distance.argmin(0))
    print("equal: nearest of several points")

    low, high, size = x.min(0).values, x.max(0).values, torch.tensor([0.5, 0.7, 1.1])
    cell, cells = ((x - low) / size).long(), ((high - low) / size).long() + 1
    assert torch.equal(ops.grid_cluster(x, size), cell[:, 0] + cells[0] * (cell[:, 1] + cells[1] * cell[:, 2]))
    print("equal: cells of a grid")

    edges = torch.randint(0, 200, (2, 900))
    edges = torch.cat([edges, edges.flip(0)], 1)[:, (edges[0] != edges[1]).repeat(2)].unique(dim=1)
    row, col = edges
    joined = torch.zeros(200, 200, dtype=torch.bool)
    joined[row, col] = True
    for weight in (None, torch.rand(len(row))):
        cluster = ops.graclus_cluster(row, col, weight, 200)
        alone = torch.ones(200, dtype=torch.bool)
        for label in cluster.unique():
            members = (cluster == label).nonzero()[:, 0]
            assert len(members) <= 2 and label == members.min()
            if len(members) == 2:
                assert joined[members[0], members[1]]
                alone[members] = False
        assert not joined[alone][:, alone].any()  # nobody is left who could be matched
    print("equal: what a maximal matching is")

    start = torch.arange(200).repeat(50)
    for p, q in ((1, 1), (0.5, 2)):
        walk = ops.random_walk(row, col, start, 6, p, q, num_nodes=200)
        step = joined[walk[:, :-1], walk[:, 1:]] | ((walk[:, :-1] == walk[:, 1:]) & ~joined.any(1)[walk[:, :-1]])
        # With p and q the original's kernel draws from the neighbours of the node that it rejected last: only first steps are edges for sure.
        assert torch.equal(walk[:, 0], start) and (step.all() if p == q else step[:, 0].all())
        if p == q:
            visits = torch.zeros(200, 200).index_put_((start, walk[:, 1]), torch.ones(len(start)), accumulate=True) / 50
            expected = joined / joined.sum(1, keepdim=True).clamp(min=1)
            spread = (expected * (1 - expected) / 50).sqrt()
            assert ((visits - expected).abs() <= 6 * spread + 1e-6)[joined].all()
    print("equal: steps of random walks")


if __name__ == "__main__":
    main()
