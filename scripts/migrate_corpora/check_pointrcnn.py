"""PointRCNN's operators in the migrated extension (run in its folder) against plain Python."""
import math

import torch  # before the extensions, which need its libraries

import iou3d_cuda
import roipool3d_cuda


def corners(box):
    x1, y1, x2, y2, angle = box
    cx, cy, c, s = (x1 + x2) / 2, (y1 + y2) / 2, math.cos(angle), math.sin(angle)
    return [((x - cx) * c + (y - cy) * s + cx, -(x - cx) * s + (y - cy) * c + cy) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]


def area(polygon):
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(polygon, polygon[1:] + polygon[:1]))) / 2


def clipped(polygon, a, b, inside):
    """The part of a polygon on the side of the line ab that holds `inside`."""
    def side(p):
        return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    sign, out = math.copysign(1, side(inside)), []
    for p, q in zip(polygon, polygon[1:] + polygon[:1]):
        sp, sq = sign * side(p), sign * side(q)
        if sp >= 0:
            out.append(p)
        if sp * sq < 0:
            t = sp / (sp - sq)
            out.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return out


def iou(one, other):
    p, q = corners(one), corners(other)
    common = p
    for a, b in zip(q, q[1:] + q[:1]):
        common = clipped(common, a, b, ((other[0] + other[2]) / 2, (other[1] + other[3]) / 2)) if common else []
    overlap = area(common) if len(common) > 2 else 0
    return overlap / (area(p) + area(q) - overlap)


def suppress(boxes, threshold, overlap):
    kept = []
    for i, box in enumerate(boxes):
        if all(overlap(boxes[k], box) <= threshold for k in kept):
            kept.append(i)
    return kept


def main():
    torch.manual_seed(0)
    low = torch.rand(70, 2) * 8
    boxes = torch.cat([low, low + torch.rand(70, 2) * 4 + 1, torch.rand(70, 1) * 6 - 3], 1)
    got = torch.zeros(30, 40)
    iou3d_cuda.boxes_iou_bev_gpu(boxes[:30].contiguous(), boxes[30:].contiguous(), got)
    expected = torch.tensor([[iou(a, b) for b in boxes[30:].tolist()] for a in boxes[:30].tolist()])
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)
    print("equal: overlap of turned boxes")

    for name, function, overlap in (("turned", iou3d_cuda.nms_gpu, iou), ("straight", iou3d_cuda.nms_normal_gpu, lambda a, b: iou([*a[:4], 0], [*b[:4], 0]))):
        keep = torch.zeros(70, dtype=torch.long)
        count = function(boxes, keep, 0.3)
        assert keep[:count].tolist() == suppress(boxes.tolist(), 0.3, overlap), name
        print(f"equal: suppression of {name} boxes")

    points, features, sampled = torch.rand(2, 300, 3) * 6, torch.randn(2, 300, 4), 32
    boxes = torch.cat([torch.rand(2, 8, 3) * 6, torch.rand(2, 8, 3) * 3 + 0.5, torch.rand(2, 8, 1) * 6], 2)
    boxes[0, 0, 0] = 50  # holds nothing
    pooled, empty = torch.zeros(2, 8, sampled, 7), torch.zeros(2, 8, dtype=torch.int32)
    roipool3d_cuda.forward(points, boxes, features, pooled, empty)
    for b in range(2):
        for m in range(8):
            x, y, z, h, w, length, angle = boxes[b, m].tolist()
            p = points[b] - torch.tensor([x, y - h / 2, z])
            c, s = math.cos(angle), math.sin(angle)
            inside = (p[:, 1].abs() <= h / 2) & ((p[:, 0] * c - p[:, 2] * s).abs() <= length / 2) & ((p[:, 0] * s + p[:, 2] * c).abs() <= w / 2)
            found = inside.nonzero()[:sampled, 0]
            assert empty[b, m].item() == (len(found) == 0), (b, m)
            if len(found) > 0:
                index = found[torch.arange(sampled) % len(found)]
                torch.testing.assert_close(pooled[b, m], torch.cat([points[b], features[b]], 1)[index])
    print("equal: pooling of points in boxes")


if __name__ == "__main__":
    main()
