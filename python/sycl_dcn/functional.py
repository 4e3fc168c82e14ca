"""The operators as functions. Semantics: docs/operators.md; one arithmetic on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from . import _operators
from ._arguments import Pair, infer_groups, pair


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = (1, 1),
                  padding: Pair = (0, 0), dilation: Pair = (1, 1), mask: Tensor | None = None) -> Tensor:
    """Deformable convolution with the signature of `torchvision.ops.deform_conv2d`; v2 with a mask, v1 without.

    Args:
        input: [N, in_channels, H, W], any strides. float32, float16, bfloat16 or float64; all tensors have one type
            and device. Or arrays of dpctl or dpnp, which run on their own queue (no gradients).
        offset: [N, 2 * groups_of_offsets * kernel_h * kernel_w, OH, OW]: (row, column) for each tap, in pixels.
        weight: [out_channels, in_channels / groups, kernel_h, kernel_w].
        bias: [out_channels].
        mask: [N, groups_of_offsets * kernel_h * kernel_w, OH, OW], a factor for each sample.

    Returns:
        [N, out_channels, OH, OW]; channels last if `input` is. Sums are float32 (float64 for float64).

    Raises:
        RuntimeError: the message names the argument, what it has and what is expected.
    """
    if not isinstance(input, Tensor):
        from . import usm
        return usm.deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)
    for name, tensor in (("offset", offset), ("weight", weight), ("bias", bias), ("mask", mask)):
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: {type(tensor).__name__}, expected a torch.Tensor like input")
    if input.dim() != 4 or offset.dim() != 4 or weight.dim() != 4:
        groups = deformable_groups = 1  # the operator says which one is wrong
    else:
        groups = infer_groups(input.shape[1], weight.shape[1])
        taps = 2 * weight.shape[2] * weight.shape[3]
        if taps == 0 or offset.shape[1] < taps:
            deformable_groups = 1
        else:
            deformable_groups = offset.shape[1] // taps
    return _operators.deform_conv2d(input, offset, mask, weight, bias, pair("stride", stride), pair("padding", padding),
                                    pair("dilation", dilation), groups, deformable_groups)


def deform_psroi_pool(input: Tensor, rois: Tensor, offset: Tensor | None, spatial_scale: float, output_dim: int,
                      pooled_size: int, group_size: int = 1, part_size: int | None = None, sample_per_part: int = 4,
                      trans_std: float = 0.0) -> Tensor:
    """Deformable position-sensitive RoI pooling, with DCNv2's semantics.

    Args:
        input: [N, output_dim * group_size**2, H, W], any strides; float32, float16, bfloat16 or float64.
        rois: [R, 5]: number of the picture, x1, y1, x2, y2 in picture coordinates. Any floating type; used as float32
            (float64 for float64 input), because half types cannot hold them.
        offset: [R, 2 * classes, part_size, part_size], of the input's type, or None for plain pooling.
        spatial_scale: feature pixels per picture pixel.
        part_size: side of the offset grid; None for `pooled_size`.

    Returns:
        [R, output_dim, pooled_size, pooled_size].
    """
    if not isinstance(input, Tensor):
        from . import usm
        return usm.deform_psroi_pool(input, rois, offset, spatial_scale, output_dim, pooled_size, group_size, part_size,
                                     sample_per_part, trans_std)
    rois = rois.to(torch.float64 if input.dtype == torch.float64 else torch.float32)
    return _operators.deform_psroi_pool(input, rois, offset, float(spatial_scale), int(output_dim), int(group_size),
                                        int(pooled_size), int(pooled_size if part_size is None else part_size),
                                        int(sample_per_part), float(trans_std))
