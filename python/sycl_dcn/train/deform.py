"""The one place where training takes its deformable convolution from.

`deform_conv2d(input, offset, weight, bias, padding, mask)` has the semantics of
`torchvision.ops.deform_conv2d` (offsets as row, column pairs for each tap; samples at or
beyond one pixel outside are zero). Two implementations:

- "torchvision": always there; float32 NCHW inside, slow backward on large maps.
- "triton": CUDA only, channels-last, several times faster; see deform_triton.py.

`set_implementation` picks one; "auto" is Triton on CUDA tensors where it is installed.
"""

from __future__ import annotations

import torch
from torchvision.ops import deform_conv2d as _torchvision_deform_conv2d

try:
    from .deform_triton import deform_conv2d as _triton_deform_conv2d
except ImportError:  # no Triton for this platform
    _triton_deform_conv2d = None

IMPLEMENTATIONS = ("auto", "torchvision", "triton")
_chosen = "auto"


def set_implementation(name: str) -> None:
    """Selects the implementation for all later calls; raises ValueError if it cannot be used."""
    global _chosen
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"deformable convolution: unknown implementation '{name}', "
                         f"expected one of {', '.join(IMPLEMENTATIONS)}")
    if name == "triton" and _triton_deform_conv2d is None:
        raise ValueError("deformable convolution: Triton is not installed (pip install triton)")
    _chosen = name


@torch.compiler.disable
def deform_conv2d(input, offset, weight, bias, padding, mask):
    """input [N, C, H, W], offset [N, 2*kh*kw, H, W], mask [N, kh*kw, H, W] -> [N, O, H, W].

    Stride and dilation 1, one deformable group: all that CenterNet's layers use.
    Offsets and masks stay float32 under autocast: bfloat16 cannot hold sampling positions.
    """
    offset, mask = offset.float(), mask.float()
    use_triton = _chosen == "triton" or (
        _chosen == "auto" and input.is_cuda and _triton_deform_conv2d is not None)
    if use_triton:
        return _triton_deform_conv2d(input, offset, weight, bias, padding, mask)
    with torch.autocast(input.device.type, enabled=False):
        out = _torchvision_deform_conv2d(input.float(), offset, weight.float(), bias.float(),
                                         padding=padding, mask=mask)
    return out.to(input.dtype)
