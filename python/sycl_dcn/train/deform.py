"""The one place where training takes its deformable convolution from.

`deform_conv2d(input, offset, weight, bias, padding, mask)` has the semantics of
`torchvision.ops.deform_conv2d` (offsets as row, column pairs for each tap; samples at or
beyond one pixel outside are zero). Three implementations:

- "sycl_dcn": this package's own, on every device that SYCL reaches;
- "triton": CUDA only, channels-last; see deform_triton.py;
- "torchvision": slow on large maps.

`set_implementation` picks one, `using` for a while; "auto" is the first of them that works on the tensors' device.
"""

from __future__ import annotations

import contextlib
import functools
import sys

import torch

try:
    from .deform_triton import deform_conv2d as _triton_deform_conv2d
except ImportError:  # no Triton for this platform
    _triton_deform_conv2d = None

IMPLEMENTATIONS = ("auto", "sycl_dcn", "torchvision", "triton")
_BACKENDS = {"cuda": "cuda", "xpu": "level_zero"}  # SYCL's words for PyTorch's devices
_chosen = "auto"


@functools.cache
def why_no_sycl(device: str) -> str:
    """Why sycl_dcn cannot run on that type of device; empty when it can."""
    try:
        from .. import _operators, usm  # noqa: F401
    except ImportError as error:
        return str(error)
    if device in _BACKENDS:
        found = [d for d in usm.devices() if d["backend"] == _BACKENDS[device] and not d["why_unusable"]]
        if not found:
            return f"SYCL sees no {device} device: `python -m sycl_dcn.doctor` tells what to install"
    elif device != "cpu":
        return f"there are no operators for {device} tensors"
    return ""


@functools.cache
def _automatic(device: str) -> str:
    why = why_no_sycl(device)
    if not why:
        return "sycl_dcn"
    other = "triton" if device == "cuda" and _triton_deform_conv2d is not None else "torchvision"
    print(f"note: deformable convolution by {other}, because sycl_dcn's cannot run here: {why}", file=sys.stderr)
    return other


def implementation(device: str) -> str:
    """The name of what runs on that type of device."""
    return _automatic(device) if _chosen == "auto" else _chosen


def set_implementation(name: str, device: str = "cpu") -> None:
    """Selects the implementation for all later calls; raises ValueError if it cannot be used on `device`."""
    global _chosen
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"deformable convolution: unknown implementation '{name}', "
                         f"expected one of {', '.join(IMPLEMENTATIONS)}")
    if name == "triton" and _triton_deform_conv2d is None:
        raise ValueError("deformable convolution: Triton is not installed (pip install triton)")
    if name == "sycl_dcn" and why_no_sycl(device):
        raise ValueError(f"deformable convolution: sycl_dcn cannot run here: {why_no_sycl(device)}")
    _chosen = name


@contextlib.contextmanager
def using(name: str, device: str = "cpu"):
    """`set_implementation` for the length of a `with` block."""
    global _chosen
    before = _chosen
    set_implementation(name, device)
    try:
        yield
    finally:
        _chosen = before


@torch.compiler.disable
def deform_conv2d(input, offset, weight, bias, padding, mask):
    """input [N, C, H, W], offset [N, 2*kh*kw, H, W], mask [N, kh*kw, H, W] -> [N, O, H, W].

    Stride and dilation 1, one deformable group: all that CenterNet's layers use.
    Offsets and masks stay float32 under autocast: bfloat16 cannot hold sampling positions.
    """
    offset, mask = offset.float(), mask.float()
    name = implementation(input.device.type)
    if name == "triton":
        return _triton_deform_conv2d(input, offset, weight, bias, padding, mask)
    if name == "sycl_dcn":
        from ..functional import deform_conv2d as function
    else:
        from torchvision.ops import deform_conv2d as function
    with torch.autocast(input.device.type, enabled=False):
        out = function(input.float(), offset, weight.float(), bias.float(), padding=padding, mask=mask)
    return out.to(input.dtype)
