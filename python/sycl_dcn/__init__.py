"""Deformable convolution (v1, v2) and deformable PSRoI pooling on SYCL, for PyTorch.

    from sycl_dcn import DCN, DCNv2, DCNPooling, dcn_v2_conv, dcn_v2_pooling   # as in DCNv2
    from sycl_dcn import deform_conv2d, DeformConv2d                           # as in torchvision
    from sycl_dcn.mmcv import ModulatedDeformConv2d                            # as in mmcv
    sycl_dcn.install()                                                         # old code's `import dcn_v2` comes here

CPU, XPU and CUDA tensors; arrays of dpctl and dpnp on their own queue. `python -m sycl_dcn.doctor` tells what works here
and what to install. `sycl_dcn.train` trains CenterNet, `sycl_dcn.export` writes ONNX.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded at first use: training with another implementation, and the doctor, work without the library.
_WHERE = {
    "deform_conv2d": "functional",
    "deform_psroi_pool": "functional",
    "DeformConv2d": "modules",
    "dcn_v2_conv": "dcnv2",
    "dcn_v2_pooling": "dcnv2",
    "DCNv2": "dcnv2",
    "DCN": "dcnv2",
    "DCNv2Pooling": "dcnv2",
    "DCNPooling": "dcnv2",
    "install": "legacy",
}
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'sycl_dcn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
