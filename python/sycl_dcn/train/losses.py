"""CenterNet's losses: penalty-reduced focal loss on the heat map, L1 on size and offset."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .targets import Targets


def focal_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Summed over the map and divided by the number of centres (heat exactly 1)."""
    logits = logits.float()
    p = torch.sigmoid(logits)
    centre = heat.eq(1)
    positive = F.logsigmoid(logits) * (1 - p).square()
    negative = F.logsigmoid(-logits) * p.square() * (1 - heat).pow(4)
    return -torch.where(centre, positive, negative).sum() / centre.sum().clamp(min=1)


def gather(feature: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """feature [B, C, H, W] at cell [B, K] -> [B, K, C]."""
    flat = feature.float().flatten(2)
    return flat.gather(2, cell[:, None].expand(-1, flat.shape[1], -1)).transpose(1, 2)


def l1_loss(predicted, wanted, weight) -> torch.Tensor:
    """Mean absolute difference, weighted for each object."""
    return ((predicted - wanted).abs().sum(-1) * weight).sum() / (2 * weight.sum() + 1e-4)


def _area(extent):
    # not prod(-1): its gradient looks for zeros on the CPU, which no CUDA graph may do
    return extent[..., 0] * extent[..., 1]


def box_loss(size, offset, targets: Targets) -> torch.Tensor:
    """1 - generalised IoU (Rezatofighi et al., 2019) between predicted and wanted boxes."""
    half, want = size.clamp(min=0.05) / 2, targets.size.clamp(min=0.05) / 2
    lo, hi = offset - half, offset + half
    want_lo, want_hi = targets.offset - want, targets.offset + want
    inter = _area((torch.minimum(hi, want_hi) - torch.maximum(lo, want_lo)).clamp(min=0))
    union = _area(hi - lo) + _area(want_hi - want_lo) - inter
    hull = _area(torch.maximum(hi, want_hi) - torch.minimum(lo, want_lo))
    giou = inter / union - (hull - union) / hull
    return ((1 - giou) * targets.weight).sum() / (targets.weight.sum() + 1e-4)


def detection_loss(outputs, heat, targets: Targets, wh_weight: float, off_weight: float,
                   iou_weight: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The weighted sum and its parts (detached)."""
    size, offset = gather(outputs["wh"], targets.cell), gather(outputs["reg"], targets.cell)
    parts = {"hm": focal_loss(outputs["hm"], heat),
             "wh": l1_loss(size, targets.size, targets.weight),
             "off": l1_loss(offset, targets.offset, targets.weight)}
    total = parts["hm"] + wh_weight * parts["wh"] + off_weight * parts["off"]
    if iou_weight:
        parts["iou"] = box_loss(size, offset, targets)
        total = total + iou_weight * parts["iou"]
    return total, {k: v.detach() for k, v in parts.items()}
