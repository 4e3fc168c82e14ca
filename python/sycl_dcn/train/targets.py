"""CenterNet's training targets, drawn for a whole batch at once on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MIN_OVERLAP = 0.7  # IoU that a box keeps when its corners move by the radius


@dataclass
class Targets:
    """heat [B, C, H, W]; for each object (N = B * K): cell index, size, offset, weight (0: none)."""

    heat: torch.Tensor
    cell: torch.Tensor  # [B, K] int64, row * W + column
    size: torch.Tensor  # [B, K, 2] width, height in cells
    offset: torch.Tensor  # [B, K, 2] x, y of the centre within the cell
    weight: torch.Tensor  # [B, K]


def gaussian_radius(width: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
    """The original's radius, in whole cells, of boxes with these sizes (in cells)."""
    width, height = width.ceil(), height.ceil()
    b = 2 * MIN_OVERLAP * (height + width)
    c = (MIN_OVERLAP - 1) * width * height
    radius = ((b * b - 16 * MIN_OVERLAP * c).sqrt() - b) / 2
    return radius.floor().clamp(min=0)


def _profile(centre, radius, length):
    """[N] cells and radii -> [N, length] Gaussian of standard deviation (2 radius + 1) / 6."""
    d = torch.arange(length, device=centre.device)[None] - centre[:, None]
    sigma = (2 * radius + 1) / 6
    value = torch.exp(-d.square() / (2 * sigma.square())[:, None])
    return torch.where(d.abs() <= radius[:, None], value, torch.zeros_like(value))


def draw(boxes, classes, num_classes: int, height: int, width: int) -> Targets:
    """boxes [B, K, 4] in output cells, classes [B, K] (negative: no object) -> targets.

    Boxes are clipped to the map as in the original.
    """
    batch, count = classes.shape
    x = boxes[..., 0::2].clamp(0, width - 1)
    y = boxes[..., 1::2].clamp(0, height - 1)
    w, h = x[..., 1] - x[..., 0], y[..., 1] - y[..., 0]
    valid = (classes >= 0) & (w > 0) & (h > 0)
    cx, cy = x.mean(-1), y.mean(-1)
    column, row = cx.floor(), cy.floor()
    radius = gaussian_radius(w.clamp(min=0), h.clamp(min=0)).flatten()
    bump = _profile(row.flatten(), radius, height)[:, :, None] \
        * _profile(column.flatten(), radius, width)[:, None, :]
    bump = bump * valid.flatten()[:, None, None]
    plane = torch.arange(batch, device=boxes.device)[:, None] * num_classes + classes.clamp(min=0)
    heat = torch.zeros(batch * num_classes, height, width, device=boxes.device)
    heat.scatter_reduce_(0, plane.flatten()[:, None, None].expand_as(bump), bump, "amax")
    return Targets(heat.view(batch, num_classes, height, width),
                   (row * width + column).long() * valid,
                   torch.stack((w, h), -1), torch.stack((cx - column, cy - row), -1),
                   valid.float())


def spread(targets: Targets, height: int, width: int) -> Targets:
    """Lets the eight cells around each centre learn size and offset too (objects of 3 cells or more).

    A peak that is one cell off then still gives the right box. Heat map as before.
    """
    nine = torch.arange(9, device=targets.cell.device)
    d = torch.stack((nine // 3 - 1, nine % 3 - 1), 1)  # row, column
    row = (targets.cell // width)[..., None] + d[:, 0]
    column = (targets.cell % width)[..., None] + d[:, 1]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    large = (targets.size.amin(-1) >= 3)[..., None] | (d == 0).all(-1)
    falloff = torch.exp(-d.square().sum(-1) / 1.5)
    weight = targets.weight[..., None] * falloff * (inside & large)
    offset = targets.offset[..., None, :] - d.flip(-1)
    size = targets.size[..., None, :].expand_as(offset)
    return Targets(targets.heat, (row * width + column).flatten(1) * inside.flatten(1),
                   size.flatten(1, 2), offset.flatten(1, 2), weight.flatten(1))
