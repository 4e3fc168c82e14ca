"""The functions and modules of DCNv2 (`dcn_v2.py`): the same arguments, parameter names and initial values, so that its
state dicts load unchanged."""

from __future__ import annotations

from torch import Tensor, nn

from . import _operators
from ._arguments import Pair, pair
from ._layers import Convolution
from .functional import deform_psroi_pool


def dcn_v2_conv(input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair = 1,
                padding: Pair = 0, dilation: Pair = 1, deformable_groups: int = 1) -> Tensor:
    """Modulated deformable convolution: see `sycl_dcn.deform_conv2d`."""
    return _operators.deform_conv2d(input, offset, mask, weight, bias, pair("stride", stride), pair("padding", padding),
                                    pair("dilation", dilation), 1, deformable_groups)


class DCNv2(Convolution):
    """Modulated deformable convolution whose offsets and mask come from outside: `forward(input, offset, mask)`."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair, padding: Pair,
                 dilation: Pair = 1, deformable_groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation)
        self.deformable_groups = deformable_groups
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform weights within 1 / sqrt(inputs of an output), zero bias."""
        self._uniform_within_inputs()

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        return dcn_v2_conv(input, offset, mask, self.weight, self.bias, self.stride, self.padding, self.dilation,
                           self.deformable_groups)

    def extra_repr(self) -> str:
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}, dilation={self.dilation}, deformable_groups={self.deformable_groups}")


class DCN(DCNv2):
    """`DCNv2` that computes its offsets and mask with a convolution of its own (`conv_offset_mask`): `forward(input)`.

    Of the convolution's channels the first two thirds are the offset, the last third goes through a sigmoid.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair, padding: Pair,
                 dilation: Pair = 1, deformable_groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, deformable_groups)
        channels = deformable_groups * 3 * self.kernel_size[0] * self.kernel_size[1]
        # No dilation, as in DCNv2: with dilation other than 1 choose the padding so that the sizes agree.
        self.conv_offset_mask = nn.Conv2d(in_channels, channels, kernel_size=self.kernel_size, stride=self.stride,
                                          padding=self.padding, bias=True)
        self.init_offset()

    def init_offset(self) -> None:
        """Zero offsets and a mask of one half: the layer begins as half a plain convolution."""
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, input: Tensor) -> Tensor:
        out = self.conv_offset_mask(input)
        # The first two of three equal parts lie side by side: a slice, with no copy.
        split = out.shape[1] // 3 * 2
        return dcn_v2_conv(input, out[:, :split], out[:, split:].sigmoid(), self.weight, self.bias, self.stride,
                           self.padding, self.dilation, self.deformable_groups)


def dcn_v2_pooling(input: Tensor, rois: Tensor, offset: Tensor, spatial_scale: float, pooled_size: int, output_dim: int,
                   no_trans: bool | int, group_size: int = 1, part_size: int | None = None, sample_per_part: int = 4,
                   trans_std: float = 0.0) -> Tensor:
    """Deformable PSRoI pooling: see `sycl_dcn.deform_psroi_pool`. `offset` is ignored when `no_trans` is true."""
    return deform_psroi_pool(input, rois, None if no_trans else offset, spatial_scale, output_dim, pooled_size,
                             group_size, part_size, sample_per_part, trans_std)


class DCNv2Pooling(nn.Module):
    """Deformable PSRoI pooling whose offsets come from outside: `forward(input, rois, offset)`."""

    def __init__(self, spatial_scale: float, pooled_size: int, output_dim: int, no_trans: bool, group_size: int = 1,
                 part_size: int | None = None, sample_per_part: int = 4, trans_std: float = 0.0) -> None:
        super().__init__()
        self.spatial_scale = spatial_scale
        self.pooled_size = pooled_size
        self.output_dim = output_dim
        self.no_trans = no_trans
        self.group_size = group_size
        self.part_size = pooled_size if part_size is None else part_size
        self.sample_per_part = sample_per_part
        self.trans_std = trans_std

    def _pool(self, input: Tensor, rois: Tensor, offset: Tensor | None) -> Tensor:
        return deform_psroi_pool(input, rois, offset, self.spatial_scale, self.output_dim, self.pooled_size,
                                 self.group_size, self.part_size, self.sample_per_part, self.trans_std)

    def forward(self, input: Tensor, rois: Tensor, offset: Tensor | None = None) -> Tensor:
        return self._pool(input, rois, None if self.no_trans else offset)


class DCNPooling(DCNv2Pooling):
    """`DCNv2Pooling` that computes its offsets and a mask from a plain pooling first: `forward(input, rois)`."""

    def __init__(self, spatial_scale: float, pooled_size: int, output_dim: int, no_trans: bool, group_size: int = 1,
                 part_size: int | None = None, sample_per_part: int = 4, trans_std: float = 0.0,
                 deform_fc_dim: int = 1024) -> None:
        super().__init__(spatial_scale, pooled_size, output_dim, no_trans, group_size, part_size, sample_per_part,
                         trans_std)
        self.deform_fc_dim = deform_fc_dim
        if not no_trans:
            bins = pooled_size * pooled_size
            self.offset_mask_fc = nn.Sequential(
                nn.Linear(bins * output_dim, deform_fc_dim), nn.ReLU(inplace=True),
                nn.Linear(deform_fc_dim, deform_fc_dim), nn.ReLU(inplace=True),
                nn.Linear(deform_fc_dim, bins * 3))
            nn.init.zeros_(self.offset_mask_fc[4].weight)
            nn.init.zeros_(self.offset_mask_fc[4].bias)

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        if self.no_trans:
            return self._pool(input, rois, None)
        plain = self._pool(input, rois, None)
        out = self.offset_mask_fc(plain.flatten(1)).view(rois.shape[0], 3, self.pooled_size, self.pooled_size)
        return self._pool(input, rois, out[:, :2]) * out[:, 2:].sigmoid()
