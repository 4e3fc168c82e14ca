"""ResNet with deformable up-sampling (`resdcn_18`, `resdcn_34`), tensor names of the original."""

from __future__ import annotations

from torch import nn

from .layers import DCN, BasicBlock, bilinear_kernel, init_convolutions, make_head

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512, 256, 128, 64)


class ResDCN(nn.Module):
    """Output stride 4. `widths`: four stages (the stem has the first), then three up-sampling steps."""

    def __init__(self, depth: int, heads: dict[str, int], head_conv: int = 64, widths=WIDTHS):
        super().__init__()
        if depth not in BLOCKS or len(widths) != 7:
            raise ValueError(f"resdcn: depth {depth} with {len(widths)} widths, expected depth "
                             f"{' or '.join(map(str, BLOCKS))} with 7 widths")
        self.heads = dict(heads)
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = widths[0]
        for stage, (count, width) in enumerate(zip(BLOCKS[depth], widths[:4])):
            layer = self._stage(channels, width, count, stride=1 if stage == 0 else 2)
            setattr(self, f"layer{stage + 1}", layer)
            channels = width
        init_convolutions(self)
        self.deconv_layers = self._upsampling(channels, widths[4:])
        for name, outputs in self.heads.items():
            setattr(self, name,
                    make_head(widths[6], head_conv, outputs, -2.19 if name == "hm" else 0.0))

    @staticmethod
    def _stage(in_channels, out_channels, count, stride):
        downsample = None
        if stride != 1 or in_channels != out_channels:
            downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                       nn.BatchNorm2d(out_channels))
        blocks = [BasicBlock(in_channels, out_channels, stride, downsample)]
        blocks += [BasicBlock(out_channels, out_channels) for _ in range(count - 1)]
        return nn.Sequential(*blocks)

    @staticmethod
    def _upsampling(channels, widths):
        layers = []
        for width in widths:
            up = nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False)
            nn.init.normal_(up.weight, std=0.01)
            kernel = bilinear_kernel(4)
            for c in range(width):  # starts as up-sampling of each channel by itself
                up.weight.data[c, c] += kernel
            layers += [DCN(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                       up, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        return nn.Sequential(*layers)

    def forward(self, x):
        """x [N, 3, H, W], H and W multiples of 32 -> {head: [N, C, H/4, W/4]} (hm before sigmoid)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.deconv_layers(x)
        return {name: getattr(self, name)(x) for name in self.heads}
