"""What functions and modules make of their arguments. Free of PyTorch."""

from __future__ import annotations

Pair = int | tuple[int, int] | list[int]


def pair(name: str, value: Pair) -> tuple[int, int]:
    """An int for both, or two."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name}: {len(value)} numbers, expected one or two (height, width)")
        return int(value[0]), int(value[1])
    return int(value), int(value)


def infer_groups(channels: int, per_group: int) -> int:
    """How often the weight's input channels go into the input's."""
    if per_group == 0 or channels % per_group:
        raise RuntimeError(f"weight: {per_group} input channels per group, expected a divisor of {channels} (the channels "
                           "of input)")
    return channels // per_group


def expect_groups(in_channels: int, out_channels: int, groups: int) -> None:
    """Raises ValueError when a layer's channels cannot be split into its groups."""
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name}: {channels}, expected a multiple of groups = {groups}")
