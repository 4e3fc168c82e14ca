"""DLA-34 with deformable up-sampling (`dla_34`), tensor names of the original.

Deep layer aggregation: Yu et al., "Deep Layer Aggregation", CVPR 2018. `widths` slims it; the
topology is always that of DLA-34.
"""

from __future__ import annotations

import torch
from torch import nn

from .layers import DCN, BasicBlock, bilinear_kernel, init_convolutions, make_head

WIDTHS = (16, 32, 64, 128, 256, 512)


class Root(nn.Module):
    """1x1 convolution over the concatenated outputs of a tree."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, *children):
        return self.relu(self.bn(self.conv(torch.cat(children, 1))))


class Tree(nn.Module):
    """Hierarchical aggregation: 2^levels blocks whose outputs meet in the roots.

    `extra` is the number of channels that the root gets from outside this tree. In a tree of two
    levels `project` takes no part in the result; the original's checkpoints hold it all the same.
    """

    def __init__(self, levels, in_channels, out_channels, stride=1, level_root=False, extra=0):
        super().__init__()
        self.levels, self.level_root = levels, level_root
        if level_root:
            extra += in_channels
        if levels == 1:
            self.tree1 = BasicBlock(in_channels, out_channels, stride)
            self.tree2 = BasicBlock(out_channels, out_channels)
            self.root = Root(2 * out_channels + extra, out_channels)
        else:
            self.tree1 = Tree(levels - 1, in_channels, out_channels, stride)
            self.tree2 = Tree(levels - 1, out_channels, out_channels, extra=extra + out_channels)
        self.downsample = nn.MaxPool2d(stride, stride) if stride > 1 else nn.Identity()
        if in_channels != out_channels:
            self.project = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                                         nn.BatchNorm2d(out_channels))

    def forward(self, x, children=()):
        bottom = self.downsample(x)
        if self.level_root:
            children = (*children, bottom)
        if self.levels > 1:
            first = self.tree1(x)
            return self.tree2(first, (*children, first))
        first = self.tree1(x, self.project(bottom) if hasattr(self, "project") else bottom)
        return self.root(self.tree2(first), first, *children)


def _conv_level(in_channels, out_channels, kernel, stride):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class Base(nn.Module):
    """The backbone; returns the features of strides 1, 2, 4, 8, 16, 32."""

    def __init__(self, widths):
        super().__init__()
        w = widths
        self.base_layer = _conv_level(3, w[0], 7, 1)
        self.level0 = _conv_level(w[0], w[0], 3, 1)
        self.level1 = _conv_level(w[0], w[1], 3, 2)
        self.level2 = Tree(1, w[1], w[2], 2)
        self.level3 = Tree(2, w[2], w[3], 2, level_root=True)
        self.level4 = Tree(2, w[3], w[4], 2, level_root=True)
        self.level5 = Tree(1, w[4], w[5], 2, level_root=True)

    def forward(self, x):
        x = self.base_layer(x)
        features = []
        for i in range(6):
            x = getattr(self, f"level{i}")(x)
            features.append(x)
        return features


class DeformBlock(nn.Module):
    """Deformable convolution, batch norm, ReLU."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.actf = nn.Sequential(nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
        self.conv = DCN(in_channels, out_channels)

    def forward(self, x):
        return self.actf(self.conv(x))


class IDAUp(nn.Module):
    """Iterative aggregation: brings feature i (up-sampled by factors[i]) into feature i - 1."""

    def __init__(self, out_channels, channels, factors):
        super().__init__()
        for i in range(1, len(channels)):
            f = factors[i]
            up = nn.ConvTranspose2d(out_channels, out_channels, 2 * f, f, f // 2,
                                    groups=out_channels, bias=False)
            up.weight.data.copy_(bilinear_kernel(2 * f).expand_as(up.weight))
            setattr(self, f"proj_{i}", DeformBlock(channels[i], out_channels))
            setattr(self, f"up_{i}", up)
            setattr(self, f"node_{i}", DeformBlock(out_channels, out_channels))

    def forward(self, features):
        """features, finest first -> the list with every entry from the second on replaced."""
        out = [features[0]]
        for i, x in enumerate(features[1:], start=1):
            x = getattr(self, f"up_{i}")(getattr(self, f"proj_{i}")(x))
            out.append(getattr(self, f"node_{i}")(x + out[-1]))
        return out


class DLAUp(nn.Module):
    """Three IDAUp steps over the features of strides 4 to 32."""

    def __init__(self, channels):
        super().__init__()
        channels = list(channels)
        factors = [1, 2, 4, 8]
        inputs = list(channels)
        for i in range(len(channels) - 1):
            j = len(channels) - 2 - i
            setattr(self, f"ida_{i}",
                    IDAUp(channels[j], inputs[j:], [f // factors[j] for f in factors[j:]]))
            for k in range(j + 1, len(channels)):
                factors[k] = factors[j]
                inputs[k] = channels[j]

    def forward(self, features):
        """Features of strides 4, 8, 16, 32 -> aggregated features, finest first."""
        features = list(features)
        out = [features[-1]]
        for i in range(len(features) - 1):
            j = len(features) - 2 - i
            features[j:] = getattr(self, f"ida_{i}")(features[j:])
            out.insert(0, features[-1])
        return out


class DLASeg(nn.Module):
    """DLA-34, output stride 4."""

    def __init__(self, heads: dict[str, int], head_conv: int = 256, widths=WIDTHS):
        super().__init__()
        if len(widths) != 6:
            raise ValueError(f"dla_34: {len(widths)} widths, expected 6")
        self.heads = dict(heads)
        self.base = Base(widths)
        init_convolutions(self)
        self.dla_up = DLAUp(widths[2:])
        self.ida_up = IDAUp(widths[2], widths[2:5], [1, 2, 4])
        for name, outputs in self.heads.items():
            setattr(self, name,
                    make_head(widths[2], head_conv, outputs, -2.19 if name == "hm" else 0.0))

    def forward(self, x):
        """x [N, 3, H, W], H and W multiples of 32 -> {head: [N, C, H/4, W/4]} (hm before sigmoid)."""
        features = self.dla_up(self.base(x)[2:])
        x = self.ida_up(features[:3])[-1]
        return {name: getattr(self, name)(x) for name in self.heads}
