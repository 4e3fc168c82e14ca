"""Targets, losses and augmentation against plain loops and by hand."""

import math

import numpy as np
import pytest
import torch

from sycl_dcn.train import targets
from sycl_dcn.train.augment import AugmentConfig, Augmenter, DeviceDataset, repeat_factors
from sycl_dcn.train.data import Split, geometry, prepare
from sycl_dcn.train.losses import box_loss, detection_loss, focal_loss


def radius_by_hand(w, h):
    """Half-open form of the original: the smallest of three; the third is always the smallest."""
    w, h, o = math.ceil(w), math.ceil(h), 0.7
    roots = []
    for a, b, c in ((1, h + w, w * h * (1 - o) / (1 + o)), (4, 2 * (h + w), (1 - o) * w * h),
                    (4 * o, -2 * o * (h + w), (o - 1) * w * h)):
        roots.append((b + math.sqrt(b * b - 4 * a * c)) / 2)
    return max(0, int(min(roots)))


@pytest.mark.parametrize("w,h", [(1, 1), (3.2, 7), (20, 11.5), (100, 64), (2, 90)])
def test_radius(w, h):
    assert targets.gaussian_radius(torch.tensor(float(w)), torch.tensor(float(h))) == radius_by_hand(w, h)


def draw_by_hand(boxes, classes, count, height, width):
    heat = np.zeros((count, height, width))
    for (x1, y1, x2, y2), c in zip(boxes, classes):
        x1, x2 = np.clip((x1, x2), 0, width - 1)
        y1, y2 = np.clip((y1, y2), 0, height - 1)
        if c < 0 or x2 <= x1 or y2 <= y1:
            continue
        r = radius_by_hand(x2 - x1, y2 - y1)
        cx, cy, sigma = int((x1 + x2) / 2), int((y1 + y2) / 2), (2 * r + 1) / 6
        for y in range(max(0, cy - r), min(height, cy + r + 1)):
            for x in range(max(0, cx - r), min(width, cx + r + 1)):
                value = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
                heat[c, y, x] = max(heat[c, y, x], value)
    return heat


def test_heat_map_equals_a_plain_loop():
    rng = np.random.default_rng(5)
    corner = rng.uniform(-5, 40, (2, 12, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(0.5, 25, (2, 12, 2))), -1).astype(np.float32)
    classes = rng.integers(-1, 3, (2, 12))
    got = targets.draw(torch.from_numpy(boxes), torch.from_numpy(classes), 3, 32, 48)
    for n in range(2):
        wanted = draw_by_hand(boxes[n], classes[n], 3, 32, 48)
        assert np.abs(got.heat[n].numpy() - wanted).max() < 1e-5


def one_box():
    boxes = torch.tensor([[[4.5, 6.0, 12.0, 17.5], [0.0, 0.0, 0.0, 0.0]]])
    return targets.draw(boxes, torch.tensor([[1, -1]]), 2, 32, 32)


def test_size_offset_and_cell():
    t = one_box()
    assert t.weight.tolist() == [[1.0, 0.0]]
    assert t.cell[0, 0] == 11 * 32 + 8  # centre (8.25, 11.75)
    assert t.size[0, 0].tolist() == [7.5, 11.5]
    assert t.offset[0, 0].tolist() == [0.25, 0.75]


def test_spread_points_to_the_same_box():
    t = targets.spread(one_box(), 32, 32)
    used = t.weight[0] > 0
    assert used.sum() == 9
    x = t.cell[0, used] % 32 + t.offset[0, used, 0]
    y = t.cell[0, used] // 32 + t.offset[0, used, 1]
    assert torch.allclose(x, torch.tensor(8.25)) and torch.allclose(y, torch.tensor(11.75))
    assert t.weight[0].max() == 1 and t.weight[0, used].min() < 0.3


def perfect(t):
    logits = torch.where(t.heat == 1, 12.0, -12.0)
    size, offset = torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32)
    cell = int(t.cell[0, 0])
    size[0, :, cell // 32, cell % 32] = t.size[0, 0]
    offset[0, :, cell // 32, cell % 32] = t.offset[0, 0]
    return {"hm": logits, "wh": size, "reg": offset}


def test_losses_vanish_for_the_right_answer_only():
    t = one_box()
    total, parts = detection_loss(perfect(t), t.heat, t, 0.1, 1.0, 1.0)
    assert total < 1e-3
    wrong = perfect(t)
    wrong["reg"] = wrong["reg"] + 0.5
    _, moved = detection_loss(wrong, t.heat, t, 0.1, 1.0, 1.0)
    assert moved["off"] == pytest.approx(0.5, abs=1e-3)
    assert moved["iou"] > parts["iou"]


def test_focal_loss_by_hand():
    heat = torch.tensor([[[[1.0, 0.5]]]])
    logits = torch.tensor([[[[0.0, 0.0]]]])
    wanted = -(0.25 * math.log(0.5)) - (0.5**4 * 0.25 * math.log(0.5))
    assert focal_loss(logits, heat) == pytest.approx(wanted, rel=1e-6)


def test_box_loss_of_separate_boxes_exceeds_one():
    t = one_box()
    far = t.offset + 100
    assert box_loss(t.size, far, t) > 1.5


def photograph(width, height, box):
    """Black, with one white rectangle."""
    image = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = 255
    return image


def two_photographs():
    boxes = [(20, 30, 60, 50), (10, 10, 40, 90)]
    return Split(("a", "b"), ["0", "1"], [1, 2],
                 [photograph(96, 64, boxes[0]), photograph(64, 120, boxes[1])],
                 [np.array([b], np.float32) for b in boxes],
                 [np.array([0]), np.array([1])])


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_boxes_follow_the_pixels(mosaic):
    """In each output the white pixels lie in the boxes and reach to their edges."""
    config = AugmentConfig(size=128, scale=(0.7, 1.5), rotate=0, mosaic=mosaic, mixup=0, cutout=0,
                           colour=0, cast=0, noise=0, min_visible=0.0)
    data = DeviceDataset(two_photographs(), "cpu", 0.3)
    augmenter = Augmenter(data, config, torch.Generator().manual_seed(4))
    images, boxes, classes = augmenter.batch(16)
    white = (images * augmenter.std + augmenter.mean).mean(1) > 0.5
    seen = 0
    for n in range(16):
        inside = torch.zeros(128, 128, dtype=torch.bool)
        for (x1, y1, x2, y2), c in zip(boxes[n].tolist(), classes[n].tolist()):
            if c >= 0:
                seen += 1
                inside[max(0, round(y1) - 1):round(y2) + 1, max(0, round(x1) - 1):round(x2) + 1] = True
                part = white[n, round(y1) + 1:round(y2) - 1, round(x1) + 1:round(x2) - 1]
                assert part.float().mean() > 0.9 or part.numel() < 16
        assert (white[n] & ~inside).sum() < 60  # thin slivers may have no box
    assert seen > 10


def test_same_generator_state_same_batch():
    data = DeviceDataset(two_photographs(), "cpu", 0.3)
    first = Augmenter(data, AugmentConfig(size=64), torch.Generator().manual_seed(9))
    second = Augmenter(data, AugmentConfig(size=64), torch.Generator().manual_seed(9))
    for a, b in zip(first.batch(4), second.batch(4)):
        assert torch.equal(a, b)
    assert not torch.equal(first.batch(4)[0], second.batch(3)[0][:4])


def test_rare_classes_are_drawn_more_often():
    split = Split(("common", "rare"), images=[None] * 100, boxes=[None] * 100,
                  classes=[np.array([0])] * 97 + [np.array([0, 1])] * 3)
    factors = repeat_factors(split, 0.3)
    assert factors[0] == 1 and factors[99] == pytest.approx(math.sqrt(10), rel=1e-6)


def test_geometry_of_both_resolutions():
    fix = geometry(480, 640, "fix", (512, 512))
    assert (fix.ratio, fix.shift) == (0.8, (0.0, 64.0))
    keep = geometry(480, 640, "keep", (512, 512))
    assert keep.input_size == (512, 672) and keep.ratio == 1 and keep.shift == (16, 16)
    for geo in (fix, keep):
        box = np.array([[100.0, 50.0, 300.0, 200.0]])
        cells = (box * geo.ratio + np.array([*geo.shift, *geo.shift])) / 4
        assert np.allclose(geo.to_image(cells), box)
    image = np.full((480, 640, 3), 200, np.uint8)
    assert prepare(image, keep)[16:496, 16:656].min() == 200
    assert prepare(image, keep)[:16].max() == 0
