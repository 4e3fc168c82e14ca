"""mmcv's functions and modules (`mmcv.ops`): the same arguments, parameter names and initial values, so that its state
dicts load unchanged. Its very first version kept `conv2_offset.weight` beside `conv2`: mmengine's loader brings those in as it
does for mmcv; before PyTorch's own `load_state_dict`, call `upgrade_state_dict`.

`im2col_step` is accepted and means nothing here: it told mmcv how many pictures to expand at a time, and had to divide the
batch. Nothing is expanded here, and any batch works.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _single

from . import _operators
from ._arguments import Pair, pair
from ._layers import Convolution


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1,
                  groups: int = 1, deform_groups: int = 1, bias: bool = False, im2col_step: int = 32) -> Tensor:
    """Deformable convolution v1. `bias` must be false, as in mmcv; `im2col_step` means nothing (see above).

    Like mmcv, `input` and `weight` take the type of `offset`, so that mixed precision works.
    """
    if bias:
        raise ValueError("bias: True, expected False: mmcv's deform_conv2d has none")
    input, weight = input.type_as(offset), weight.type_as(offset)
    return _operators.deform_conv2d(input, offset, None, weight, None, pair("stride", stride), pair("padding", padding),
                                    pair("dilation", dilation), groups, deform_groups)


def modulated_deform_conv2d(input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None,
                            stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1,
                            deform_groups: int = 1) -> Tensor:
    """Deformable convolution v2. All tensors take the type of `offset`, as in mmcv."""
    input, mask, weight = input.type_as(offset), mask.type_as(offset), weight.type_as(offset)
    bias = None if bias is None else bias.type_as(offset)
    return _operators.deform_conv2d(input, offset, mask, weight, bias, pair("stride", stride), pair("padding", padding),
                                    pair("dilation", dilation), groups, deform_groups)


class _Conv(Convolution):
    """What mmcv's layers have in common."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair, padding: Pair,
                 dilation: Pair, groups: int, deform_groups: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.deform_groups = deform_groups
        self.transposed = False  # what code written for nn.Conv2d asks for
        self.output_padding = _single(0)

    def extra_repr(self) -> str:
        return (f"in_channels={self.in_channels}, out_channels={self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, groups={self.groups}, "
                f"deform_groups={self.deform_groups}, bias={self.bias is not None}")

    def _offset_conv(self, channels: int) -> nn.Conv2d:
        return nn.Conv2d(self.in_channels, self.deform_groups * channels * self.kernel_size[0] * self.kernel_size[1],
                         kernel_size=self.kernel_size, stride=self.stride, padding=self.padding, dilation=self.dilation,
                         bias=True)


def _rename_first_version(state_dict: dict, prefix: str, local_metadata: dict) -> None:
    """mmcv's first version kept the offsets' convolution beside the layer instead of inside."""
    version = local_metadata.get("version")
    if version is not None and version >= 2:
        return
    for part in ("weight", "bias"):
        old, new = f"{prefix[:-1]}_offset.{part}", f"{prefix}conv_offset.{part}"
        if new not in state_dict and old in state_dict:
            state_dict[new] = state_dict.pop(old)


def upgrade_state_dict(state_dict: dict) -> dict:
    """A copy in which offset convolutions of mmcv's first version (`NAME_offset.weight`) are inside their layers.

    PyTorch shows a layer only those keys that begin with the layer's name, so the layer cannot do it itself.
    """
    upgraded = type(state_dict)()
    for key, value in state_dict.items():
        stem, _, part = key.rpartition("_offset.")
        if stem and part in ("weight", "bias") and f"{stem}.weight" in state_dict:
            key = f"{stem}.conv_offset.{part}"
        upgraded[key] = value
    return upgraded


class DeformConv2d(_Conv):
    """Deformable convolution v1 without bias: `forward(x, offset)`."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
                 dilation: Pair = 1, groups: int = 1, deform_groups: int = 1, bias: bool = False, im2col_step: int = 32,
                 *, deformable_groups: int | None = None) -> None:
        if bias:
            raise ValueError("bias: True, expected False: mmcv's DeformConv2d has none")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         deform_groups if deformable_groups is None else deformable_groups, False)
        self.im2col_step = im2col_step
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """mmcv's initial values."""
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        # mmcv pads pictures smaller than the kernel, and the offsets with them, and cuts the result.
        pad_h = max(self.kernel_size[0] - x.shape[2], 0)
        pad_w = max(self.kernel_size[1] - x.shape[3], 0)
        if pad_h or pad_w:
            x, offset = F.pad(x, (0, pad_w, 0, pad_h)), F.pad(offset, (0, pad_w, 0, pad_h))
        out = deform_conv2d(x, offset, self.weight, self.stride, self.padding, self.dilation, self.groups,
                            self.deform_groups)
        if pad_h or pad_w:
            out = out[:, :, :out.shape[2] - pad_h, :out.shape[3] - pad_w].contiguous()
        return out


class DeformConv2dPack(DeformConv2d):
    """`DeformConv2d` that computes its offsets with a convolution of its own (`conv_offset`): `forward(x)`."""

    _version = 2

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.conv_offset = self._offset_conv(2)
        self.init_offset()

    def init_offset(self) -> None:
        """Zero offsets: the layer begins as a plain convolution."""
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return deform_conv2d(x, self.conv_offset(x), self.weight, self.stride, self.padding, self.dilation, self.groups,
                             self.deform_groups)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        _rename_first_version(state_dict, prefix, local_metadata)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class ModulatedDeformConv2d(_Conv):
    """Deformable convolution v2: `forward(x, offset, mask)`."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
                 dilation: Pair = 1, groups: int = 1, deform_groups: int = 1, bias: bool | str = True, *,
                 deformable_groups: int | None = None) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         deform_groups if deformable_groups is None else deformable_groups, bool(bias))
        self.init_weights()

    def init_weights(self) -> None:
        """mmcv's initial values: uniform weights within 1 / sqrt(inputs of an output), zero bias."""
        self._uniform_within_inputs()

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        return modulated_deform_conv2d(x, offset, mask, self.weight, self.bias, self.stride, self.padding, self.dilation,
                                       self.groups, self.deform_groups)


class ModulatedDeformConv2dPack(ModulatedDeformConv2d):
    """`ModulatedDeformConv2d` that computes offsets and mask with a convolution of its own (`conv_offset`): `forward(x)`.

    Of the convolution's channels the first two thirds are the offset, the last third goes through a sigmoid.
    """

    _version = 2

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.conv_offset = self._offset_conv(3)
        self.init_weights()

    def init_weights(self) -> None:
        """Zero offsets and a mask of one half: the layer begins as half a plain convolution."""
        super().init_weights()
        if hasattr(self, "conv_offset"):
            nn.init.zeros_(self.conv_offset.weight)
            nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        out = self.conv_offset(x)
        split = out.shape[1] // 3 * 2
        return modulated_deform_conv2d(x, out[:, :split], out[:, split:].sigmoid(), self.weight, self.bias, self.stride,
                                       self.padding, self.dilation, self.groups, self.deform_groups)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        _rename_first_version(state_dict, prefix, local_metadata)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)
