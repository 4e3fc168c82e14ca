"""Decodes a network's outputs and evaluates it on a split, with the original's semantics."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F

from .average_precision import Metrics, evaluate
from .data import Geometry, Split, geometry, prepare
from .export import MEAN, STD

TOP_K = 100


def decode(heat, size, offset, top_k: int = TOP_K):
    """heat [B, C, H, W] after sigmoid, size and offset [B, 2, H, W] -> boxes [B, K, 4] in cells,
    classes [B, K], scores [B, K]: the top_k cells that are the maximum of their 3x3 neighbourhood."""
    _, _, height, width = heat.shape
    peaks = heat * (F.max_pool2d(heat, 3, 1, 1) == heat)
    scores, index = peaks.flatten(1).topk(top_k)
    classes, cell = index // (height * width), index % (height * width)

    def at(feature):
        return feature.flatten(2).gather(2, cell[:, None].expand(-1, 2, -1)).transpose(1, 2)

    centre = torch.stack((cell % width, cell // width), -1) + at(offset)
    half = at(size) / 2
    return torch.cat((centre - half, centre + half), -1), classes, scores


@torch.no_grad()
def run_network(network, images, flip_test: bool):
    """images [B, 3, H, W] normalised -> heat, size, offset. flip_test averages heat and size with
    those of the mirrored images, as the original does."""
    if flip_test:
        images = torch.cat((images, images.flip(3)))
    out = {k: v.float() for k, v in network(images).items()}
    heat, size, offset = torch.sigmoid(out["hm"]), out["wh"], out["reg"]
    if flip_test:
        n = len(images) // 2
        heat = (heat[:n] + heat[n:].flip(3)) / 2
        size = (size[:n] + size[n:].flip(3)) / 2
        offset = offset[:n]
    return heat, size, offset


class Evaluator:
    """A split prepared for one resolution; `detections` and `metrics` of any network."""

    def __init__(self, split: Split, device, resolution: str, input_size: tuple[int, int],
                 batch: int = 16):
        self.split, self.device, self.batch = split, device, batch
        self.geometries = [geometry(*i.shape[:2], resolution, input_size) for i in split.images]
        self.groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for n, g in enumerate(self.geometries):
            self.groups[g.input_size].append(n)
        self.inputs = {shape: torch.from_numpy(np.stack(
            [prepare(split.images[n], self.geometries[n]) for n in rows])).permute(0, 3, 1, 2)
            for shape, rows in self.groups.items()}
        self.mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, device=device).view(1, 3, 1, 1)

    def detections(self, network, flip_test: bool = False):
        """For each image of the split: boxes [K, 4] in image pixels, classes [K], scores [K]."""
        network.eval()
        results: list = [None] * len(self.split)
        for shape, rows in self.groups.items():
            for start in range(0, len(rows), self.batch):
                part = rows[start:start + self.batch]
                images = self.inputs[shape][start:start + self.batch].to(self.device)
                images = (images.float() / 255 - self.mean) / self.std
                images = images.contiguous(memory_format=torch.channels_last)
                boxes, classes, scores = (t.cpu().numpy() for t in decode(
                    *run_network(network, images, flip_test)))
                for k, n in enumerate(part):
                    geo: Geometry = self.geometries[n]
                    results[n] = (geo.to_image(boxes[k]), classes[k], scores[k])
        return results

    def metrics(self, network, flip_test: bool = False) -> Metrics:
        """COCO average precision on the split."""
        truth = list(zip(self.split.boxes, self.split.classes))
        return evaluate(self.split.labels, truth, self.detections(network, flip_test))


def coco_results(split: Split, category_ids, detections) -> list[dict]:
    """Detections as a COCO results list."""
    rows = []
    for image_id, (boxes, classes, scores) in zip(split.image_ids, detections):
        for (x1, y1, x2, y2), c, s in zip(boxes.tolist(), classes.tolist(), scores.tolist()):
            rows.append({"image_id": image_id, "category_id": category_ids[c],
                         "bbox": [x1, y1, x2 - x1, y2 - y1], "score": s})
    return rows
