"""Old code's imports of DCNv2, and what the original CenterNet needs besides, answered by this package."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType

import torch
from torch import Tensor

from . import _operators, dcnv2
from .functional import deform_psroi_pool

_API = {name: getattr(dcnv2, name)
        for name in ("dcn_v2_conv", "dcn_v2_pooling", "DCNv2", "DCN", "DCNv2Pooling", "DCNPooling")}


def dcn_v2_forward(input: Tensor, weight: Tensor, bias: Tensor, offset: Tensor, mask: Tensor, kernel_h: int, kernel_w: int,
                   stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int, dilation_w: int,
                   deformable_group: int) -> Tensor:
    """`_ext.dcn_v2_forward`."""
    _check_kernel(weight, kernel_h, kernel_w)
    return _operators.deform_conv2d(input, offset, mask, weight, bias, (stride_h, stride_w), (pad_h, pad_w),
                                    (dilation_h, dilation_w), 1, deformable_group)


def dcn_v2_backward(input: Tensor, weight: Tensor, bias: Tensor, offset: Tensor, mask: Tensor, grad_output: Tensor,
                    kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int,
                    dilation_w: int, deformable_group: int) -> list[Tensor]:
    """`_ext.dcn_v2_backward`: gradients of input, offset, mask, weight, bias."""
    _check_kernel(weight, kernel_h, kernel_w)
    return list(torch.ops.sycl_dcn.deform_conv2d_backward(
        grad_output, input, offset, mask, weight, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, 1,
        deformable_group, 31, torch.are_deterministic_algorithms_enabled()))


def dcn_v2_psroi_pooling_forward(input: Tensor, bbox: Tensor, trans: Tensor, no_trans: int, spatial_scale: float,
                                 output_dim: int, group_size: int, pooled_size: int, part_size: int,
                                 sample_per_part: int, trans_std: float) -> tuple[Tensor, Tensor]:
    """`_ext.dcn_v2_psroi_pooling_forward`: the output, and how many samples of each bin count."""
    output, count = torch.ops.sycl_dcn.deform_psroi_pool(
        input, _positions(bbox, input), None if no_trans else trans, spatial_scale, output_dim, group_size, pooled_size,
        part_size, sample_per_part, trans_std)
    return output, count.to(input.dtype)


def dcn_v2_psroi_pooling_backward(out_grad: Tensor, input: Tensor, bbox: Tensor, trans: Tensor, top_count: Tensor,
                                  no_trans: int, spatial_scale: float, output_dim: int, group_size: int, pooled_size: int,
                                  part_size: int, sample_per_part: int, trans_std: float) -> tuple[Tensor, Tensor]:
    """`_ext.dcn_v2_psroi_pooling_backward`: gradients of input and trans. The counts are computed again."""
    offset = None if no_trans else trans
    grad_input, grad_offset = torch.ops.sycl_dcn.deform_psroi_pool_backward(
        out_grad, input, _positions(bbox, input), offset, spatial_scale, output_dim, group_size, pooled_size, part_size,
        sample_per_part, trans_std, 1 if no_trans else 3)
    return grad_input, torch.zeros_like(trans) if no_trans else grad_offset


def _positions(rois: Tensor, input: Tensor) -> Tensor:
    return rois.to(torch.float64 if input.dtype == torch.float64 else torch.float32)


def _check_kernel(weight: Tensor, kernel_h: int, kernel_w: int) -> None:
    if tuple(weight.shape[2:]) != (kernel_h, kernel_w):
        raise ValueError(f"weight: kernel of {tuple(weight.shape[2:])}, expected kernel_h, kernel_w = {kernel_h}, {kernel_w}")


class DCNv2Function:
    """The function object of the first DCNv2: made with the geometry, called with the tensors."""

    def __init__(self, stride=1, padding=0, dilation=1, deformable_groups=1):
        self.geometry = stride, padding, dilation, deformable_groups

    def __call__(self, input, offset, mask, weight, bias):
        return dcnv2.dcn_v2_conv(input, offset, mask, weight, bias, *self.geometry)

    forward = __call__


class DCNv2PoolingFunction:
    """The pooling's function object of the first DCNv2."""

    def __init__(self, spatial_scale, pooled_size, output_dim, no_trans, group_size=1, part_size=None, sample_per_part=4,
                 trans_std=0.0):
        self.no_trans = no_trans
        self.numbers = spatial_scale, output_dim, pooled_size, group_size, part_size, sample_per_part, trans_std

    def __call__(self, data, rois, offset):
        return deform_psroi_pool(data, rois, None if self.no_trans else offset, *self.numbers)

    forward = __call__


# What old code imports, by the last parts of the name; folders before them do not matter, because every project keeps its
# copy of DCNv2 somewhere else (CenterNet: models.networks.DCNv2.dcn_v2).
_FUNCTIONS = {"DCNv2Function": DCNv2Function, "DCNv2PoolingFunction": DCNv2PoolingFunction}
_EXTENSION = {function.__name__: function for function in (
    dcn_v2_forward, dcn_v2_backward, dcn_v2_psroi_pooling_forward, dcn_v2_psroi_pooling_backward)}
_PACKAGES = ("DCNv2", "DCNv2_latest")
_CONTENT = {"dcn_v2": {**_API, **_FUNCTIONS}, "dcn_v2_func": _FUNCTIONS, "_ext": _EXTENSION}
_NMS = "external.nms"  # the original CenterNet's own extension: ours only where theirs is not built


def _content(name: str) -> dict | None:
    """What the module of that full name holds; None when it is not ours."""
    if name == _NMS:
        from ._soft_nms import soft_nms  # not at the top: it needs NumPy
        return {"soft_nms": soft_nms, "soft_nms_39": soft_nms}
    *parents, last = name.split(".")
    if last in _PACKAGES:
        return _API
    if last in _CONTENT and (not parents or parents[-1] in _PACKAGES):
        return _CONTENT[last]
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if _content(fullname) is None or (fullname == _NMS and importlib.machinery.PathFinder.find_spec(fullname, path)):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="sycl_dcn",
                                              is_package=fullname.split(".")[-1] in _PACKAGES)

    def create_module(self, spec):
        module = ModuleType(spec.name, f"{spec.name}, answered by sycl_dcn")
        module.__dict__.update(_content(spec.name) or {})
        return module

    def exec_module(self, module):
        pass


_finder = _Finder()


def _synchronize(device=None) -> None:
    """torch.cuda.synchronize where there is no CUDA: waits for the XPU, else for nothing."""
    if torch.xpu.is_available():
        torch.xpu.synchronize()


def install() -> None:
    """From now on old code's imports of DCNv2 come to this package.

    `import dcn_v2`, `import DCNv2`, `from DCNv2.dcn_v2 import DCN`, `from .DCNv2.dcn_v2 import DCN` in any package, and
    `import _ext`, wherever those files lie and whether or not they exist. Call it before the old code is imported; modules
    that are already imported stay what they are. Calling it twice changes nothing.

    Also for the original CenterNet: where there is no CUDA, `torch.cuda.synchronize` no longer raises (its detectors time
    themselves with it on the CPU, too); where its extension `external.nms` is not built, `soft_nms` and `soft_nms_39` are ours.
    """
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    if not torch.cuda.is_available():
        torch.cuda.synchronize = _synchronize
