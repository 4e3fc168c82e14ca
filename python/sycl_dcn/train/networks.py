"""Builds a network by name."""

from __future__ import annotations

from torch import nn

from .dla import DLASeg
from .dla import WIDTHS as DLA_WIDTHS
from .resdcn import WIDTHS as RESDCN_WIDTHS
from .resdcn import ResDCN

HEAD_CONV = {"dla_34": 256, "resdcn_18": 64, "resdcn_34": 64}
WIDTHS = {"dla_34": DLA_WIDTHS, "resdcn_18": RESDCN_WIDTHS, "resdcn_34": RESDCN_WIDTHS}


def build(arch: str, heads: dict[str, int], head_conv: int | None = None, widths=None) -> nn.Module:
    """arch: a key of HEAD_CONV; heads: outputs for each head; None means the original's numbers."""
    if arch not in HEAD_CONV:
        raise ValueError(f"unknown architecture '{arch}', expected one of {', '.join(HEAD_CONV)}")
    head_conv = head_conv or HEAD_CONV[arch]
    widths = tuple(widths or WIDTHS[arch])
    if arch == "dla_34":
        return DLASeg(heads, head_conv, widths)
    return ResDCN(int(arch.split("_")[1]), heads, head_conv, widths)


def ctdet_heads(classes: int) -> dict[str, int]:
    """The heads of plain detection: heat map, size, sub-cell offset."""
    return {"hm": classes, "wh": 2, "reg": 2}
