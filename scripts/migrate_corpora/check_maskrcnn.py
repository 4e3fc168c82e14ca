"""maskrcnn-benchmark's operators in the migrated extension (run in its folder) against torchvision's CPU operators, and formulas."""
import torch
import torchvision.ops as reference
from maskrcnn_benchmark import _C


def equal(name, got, expected, tolerance=1e-5):
    torch.testing.assert_close(got.double(), expected.double(), rtol=tolerance, atol=tolerance)
    print("equal:", name)


def boxes(count, size):
    corner = torch.rand(count, 2) * size * 0.6
    return torch.cat([corner, corner + torch.rand(count, 2) * size * 0.35 + 2], 1)


def suppress(dets, scores, threshold):
    """Greedy, with the older convention that a box has its last pixel: sizes are one larger."""
    left, kept = scores.argsort(descending=True).tolist(), []
    area = (dets[:, 2] - dets[:, 0] + 1) * (dets[:, 3] - dets[:, 1] + 1)
    while left:
        best = left.pop(0)
        kept.append(best)
        rest = torch.tensor(left, dtype=torch.long)
        low, high = torch.maximum(dets[best, :2], dets[rest, :2]), torch.minimum(dets[best, 2:], dets[rest, 2:])
        common = (high - low + 1).clamp(min=0).prod(1)
        left = rest[common / (area[best] + area[rest] - common) <= threshold].tolist()
    return sorted(kept)


def pooled(x, rois, trans, scale, size, part, samples, std, group=1):
    """Deformable position-sensitive pooling (Dai et al., Deformable Convolutional Networks, 2017), one sample at a time."""
    height, width = x.shape[2:]
    channels, classes = x.shape[1] // group ** 2, trans.shape[1] // 2
    rows = []
    for n, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (round(v) + (i > 1) for i, v in enumerate(corners))
        left, top, right, bottom = (v * scale - 0.5 for v in (left, top, right, bottom))
        wide, high = max(right - left, 0.1), max(bottom - top, 0.1)
        for c in range(channels):
            for ph in range(size):
                for pw in range(size):
                    move = trans[n].view(classes, 2, part, part)[c // (channels // classes), :, ph * part // size, pw * part // size] * std
                    plane = x[int(image), (c * group + ph * group // size) * group + pw * group // size]
                    found = []
                    for ih in range(samples):
                        for iw in range(samples):
                            w = left + (pw + iw / samples) * wide / size + move[0] * wide
                            h = top + (ph + ih / samples) * high / size + move[1] * high
                            if -0.5 <= w <= width - 0.5 and -0.5 <= h <= height - 0.5:
                                w, h = w.clamp(0, width - 1), h.clamp(0, height - 1)
                                x0, y0, x1, y1 = (int(f(v.detach())) for f in (torch.floor, torch.ceil) for v in (w, h))
                                dx, dy = w - x0, h - y0
                                found.append(plane[y0, x0] * (1 - dx) * (1 - dy) + plane[y0, x1] * dx * (1 - dy)
                                             + plane[y1, x0] * (1 - dx) * dy + plane[y1, x1] * dx * dy)
                    rows.append(torch.stack(found).mean() if found else x.sum() * 0)
    return torch.stack(rows).view(len(rois), channels, size, size)


def check_deformable_pooling(ops):
    for group in (1, 3):
        x, trans = torch.randn(2, 4 * group ** 2, 13, 17), torch.randn(6, 4, 3, 3)
        rois = torch.cat([torch.randint(0, 2, (6, 1)).float(), boxes(6, 30) + 0.1], 1)
        ours, theirs = (x, trans), (x.double().requires_grad_(), trans.double().requires_grad_())
        expected = pooled(theirs[0], rois, theirs[1], 0.5, 3, 3, 2, 0.1, group)
        out, count = torch.zeros(6, 4, 3, 3), torch.zeros(6, 4, 3, 3)
        numbers = (0, 0.5, 4, group, 3, 3, 2, 0.1)
        ops.deform_psroi_pooling_forward(x, rois, trans, out, count, *numbers)
        equal(f"deformable pooling, {group} x {group} groups", out, expected.detach(), 1e-4)
        direction, grads = torch.randn_like(out), [torch.zeros_like(t) for t in ours]
        expected.backward(direction.double())
        ops.deform_psroi_pooling_backward(direction, x, rois, trans, count, *grads, *numbers)
        for name, got, wanted in zip(("input", "offsets"), grads, theirs):
            equal(f"deformable pooling, gradient of the {name}", got, wanted.grad, 1e-4)


def main():
    torch.manual_seed(0)
    image = torch.randn(2, 5, 24, 30)
    rois = torch.cat([torch.randint(0, 2, (9, 1)).float(), boxes(9, 48)], 1)
    for name, forward, backward, theirs in (
            ("roi_align", lambda: _C.roi_align_forward(image, rois, 0.5, 4, 3, 2), lambda g, _: _C.roi_align_backward(g, rois, 0.5, 4, 3, 2, 5, 24, 30, 2),
             lambda x: reference.roi_align(x, rois.double(), (4, 3), 0.5, 2)),
            ("roi_pool", lambda: _C.roi_pool_forward(image, rois, 0.5, 4, 3), lambda g, arg: _C.roi_pool_backward(g, image, rois, arg, 0.5, 4, 3, 2, 5, 24, 30),
             lambda x: reference.roi_pool(x, rois.double(), (4, 3), 0.5))):
        x = image.double().requires_grad_()
        expected = theirs(x)
        got = forward()
        got, arg = got if isinstance(got, tuple) else (got, None)
        direction = torch.randn_like(got)
        expected.backward(direction.double())
        equal(name, got, expected.detach())
        equal(name + ", gradient", backward(direction, arg), x.grad)

    dets, scores = boxes(150, 60), torch.rand(150)
    kept = _C.nms(dets, scores, 0.4)
    assert sorted(kept.tolist()) == suppress(dets, scores, 0.4)
    print("equal: nms")

    logits, targets = torch.randn(11, 6), torch.randint(0, 7, (11,), dtype=torch.int32)
    x = logits.double().requires_grad_()
    positive = torch.nn.functional.one_hot(targets.long(), 7)[:, 1:].double()
    p = x.sigmoid()
    loss = -0.25 * positive * (1 - p) ** 2 * p.log() - 0.75 * (1 - positive) * p ** 2 * (1 - p).log()
    equal("focal loss", _C.sigmoid_focalloss_forward(logits, targets, 6, 2.0, 0.25), loss.detach())
    direction = torch.randn(11, 6)
    loss.backward(direction.double())
    equal("focal loss, gradient", _C.sigmoid_focalloss_backward(logits, targets, direction, 6, 2.0, 0.25), x.grad)

    x, offset, mask = torch.randn(2, 4, 9, 8), torch.randn(2, 36, 9, 8), torch.rand(2, 18, 9, 8)
    weight, bias = torch.randn(6, 4, 3, 3), torch.randn(6)
    out = torch.empty(2, 6, 9, 8)
    _C.modulated_deform_conv_forward(x, weight, bias, torch.empty(0), offset, mask, out, torch.empty(0), 3, 3, 1, 1, 1, 1, 1, 1, 1, 2, True)
    expected = reference.deform_conv2d(x.double(), offset.double(), weight.double(), bias.double(), padding=1, mask=mask.double())
    equal("modulated deformable convolution", out, expected, 1e-4)
    plain = torch.empty(2, 6, 9, 8)
    _C.deform_conv_forward(x, weight, offset, plain, torch.empty(0), torch.empty(0), 3, 3, 1, 1, 1, 1, 1, 1, 1, 2, 2)
    equal("deformable convolution", plain, reference.deform_conv2d(x.double(), offset.double(), weight.double(), padding=1), 1e-4)
    check_deformable_pooling(_C)


if __name__ == "__main__":
    main()
