"""COCO average precision in plain NumPy: IoU 0.50 to 0.95, all areas, 100 detections an image.

Gives pycocotools' numbers for data without crowd regions (tested against it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100


@dataclass(frozen=True)
class Metrics:
    """ap, ap50, ap75: means over the classes that occur; by_class: label -> (ap, ap50)."""

    ap: float
    ap50: float
    ap75: float
    by_class: dict[str, tuple[float, float]]

    def as_dict(self) -> dict:
        """Rounded, for logs."""
        return {"AP": round(self.ap, 4), "AP50": round(self.ap50, 4), "AP75": round(self.ap75, 4),
                "by_class": {k: [round(a, 4), round(b, 4)] for k, (a, b) in self.by_class.items()}}


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n, 4] and [m, 4] boxes x1, y1, x2, y2 -> [n, m]."""
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(hi - lo, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    return inter / (area_a[:, None] + area_b[None] - inter)


def match(iou: np.ndarray) -> np.ndarray:
    """iou [detections by falling score, objects] -> [thresholds, detections], true where matched.

    Greedy: each detection takes the best object that is still free (the later one on a tie).
    """
    matched = np.zeros((len(THRESHOLDS), iou.shape[0]), bool)
    if not iou.size:
        return matched
    free = np.ones((len(THRESHOLDS), iou.shape[1]), bool)
    rows = np.arange(len(THRESHOLDS))
    limits = np.minimum(THRESHOLDS, 1 - 1e-10)
    for d in range(iou.shape[0]):
        candidates = np.where(free, iou[d][None], -1.0)
        best = iou.shape[1] - 1 - candidates[:, ::-1].argmax(1)
        hit = candidates[rows, best] >= limits
        matched[:, d] = hit
        free[rows[hit], best[hit]] = False
    return matched


def class_ap(scores: np.ndarray, matched: np.ndarray, objects: int) -> np.ndarray:
    """scores [n], matched [thresholds, n], number of labelled objects -> AP for each threshold."""
    order = np.argsort(-scores, kind="mergesort")
    hits = matched[:, order]
    true = np.cumsum(hits, 1, dtype=np.float64)
    recall = true / objects
    precision = true / np.arange(1, len(scores) + 1) if len(scores) else true
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    ap = np.zeros(len(THRESHOLDS))
    for t in range(len(THRESHOLDS)):
        at = np.searchsorted(recall[t], RECALLS, side="left")
        ap[t] = np.append(precision[t], 0.0)[np.minimum(at, len(scores))].mean()
    return ap


def evaluate(labels, truth, detections) -> Metrics:
    """truth: for each image (boxes [k, 4], classes [k]); detections: (boxes, classes, scores)."""
    rows = {}
    for c, label in enumerate(labels):
        scores, matched, objects = [], [], 0
        for (gt_boxes, gt_classes), (boxes, classes, score) in zip(truth, detections, strict=True):
            gt = gt_boxes[gt_classes == c].astype(np.float64)
            keep = np.flatnonzero(classes == c)
            keep = keep[np.argsort(-score[keep], kind="mergesort")][:MAX_DETECTIONS]
            objects += len(gt)
            scores.append(score[keep])
            matched.append(match(box_iou(boxes[keep].astype(np.float64), gt)))
        if objects:
            rows[label] = class_ap(np.concatenate(scores), np.concatenate(matched, 1), objects)
    if not rows:
        raise ValueError("average precision: the annotations hold no boxes")
    table = np.stack(list(rows.values()))
    return Metrics(float(table.mean()), float(table[:, 0].mean()), float(table[:, 5].mean()),
                   {k: (float(v.mean()), float(v[0])) for k, v in rows.items()})
