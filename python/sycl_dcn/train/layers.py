"""Layers that both network families share."""

from __future__ import annotations

import math

import torch
from torch import nn

from .deform import deform_conv2d


class DCN(nn.Module):
    """3x3 modulated deformable convolution (DCNv2) that predicts its own offsets and mask.

    `conv_offset_mask` gives 27 channels: 18 offsets (row, column of each tap), then 9 mask
    logits. It starts at zero, so training starts from a plain convolution times one half.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.conv_offset_mask = nn.Conv2d(in_channels, 27, 3, padding=1)
        bound = 1.0 / math.sqrt(in_channels * 9)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, x):
        out = self.conv_offset_mask(x).float()
        offset, mask = out[:, :18], torch.sigmoid(out[:, 18:])
        return deform_conv2d(x, offset, self.weight, self.bias, 1, mask)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual sum; `downsample` projects the residual (ResNet)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x, residual=None):
        if residual is None:
            residual = self.downsample(x) if hasattr(self, "downsample") else x
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + residual)


def make_head(in_channels: int, head_conv: int, out_channels: int, bias: float) -> nn.Sequential:
    """3x3 convolution, ReLU, 1x1 convolution; `bias` is the prior of the last layer."""
    head = nn.Sequential(nn.Conv2d(in_channels, head_conv, 3, padding=1),
                         nn.ReLU(inplace=True),
                         nn.Conv2d(head_conv, out_channels, 1))
    nn.init.kaiming_normal_(head[0].weight, nonlinearity="relu")
    nn.init.normal_(head[2].weight, std=0.01)
    nn.init.zeros_(head[0].bias)
    nn.init.constant_(head[2].bias, bias)
    return head


def init_convolutions(module: nn.Module) -> None:
    """He initialisation of every plain convolution below `module` (training is from scratch)."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(m, BasicBlock):
            nn.init.zeros_(m.bn2.weight)  # each block starts as the identity


def bilinear_kernel(size: int) -> torch.Tensor:
    """[size, size] kernel with which a transposed convolution up-samples bilinearly."""
    factor = (size + 1) // 2
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    tent = 1 - (torch.arange(size) / factor - centre).abs()
    return tent[:, None] * tent[None, :]
