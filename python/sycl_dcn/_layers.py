"""What the convolution layers of DCNv2, torchvision and mmcv have in common."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ._arguments import Pair, expect_groups, pair


class Convolution(nn.Module):
    """Geometry, weight [out_channels, in_channels / groups, kernel_h, kernel_w] and bias (None without one), without values."""

    bias: Tensor | None

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair, padding: Pair,
                 dilation: Pair, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        expect_groups(in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = pair("stride", stride)
        self.padding = pair("padding", padding)
        self.dilation = pair("dilation", dilation)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels))
        else:
            self.register_parameter("bias", None)

    def _uniform_within_inputs(self) -> None:
        """DCNv2's initial values, and mmcv's: uniform weights within 1 / sqrt(inputs of an output), zero bias."""
        bound = 1.0 / math.sqrt(self.in_channels * self.kernel_size[0] * self.kernel_size[1])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
