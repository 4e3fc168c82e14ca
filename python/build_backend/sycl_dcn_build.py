"""PEP 517 backend: scikit-build-core, told where PyTorch's headers and the SYCL runtime's are.

PyTorch is 4 GB. When the environment that `pip install` runs in has one that will do, its headers are used, and pip need not
fetch a second copy for the isolated build. Nothing of PyTorch gets into the wheel, and the result works with any
PyTorch from 2.9 on, whichever one lent its headers.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sysconfig
from pathlib import Path

from scikit_build_core import build as _backend
from scikit_build_core.build import *  # noqa: F403  hooks that need no change

ROOT = Path(__file__).resolve().parents[2]
TORCH = "torch>=2.9"
TORCH_HEADER = "include/torch/csrc/stable/library.h"


def runtime_requirements() -> list[str]:
    """The SYCL wheels that compile and run kernels, as requirements.txt pins them."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if re.match(r"intel-(sycl|opencl)-rt==", line)]


def torch_around() -> Path | None:
    """PyTorch's folder in the environment outside of the isolated build, if its headers will do."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return next((Path(f) / "torch" for f in folders if (Path(f) / "torch" / TORCH_HEADER).exists()), None)


def torch_folder() -> Path:
    """PyTorch's folder, isolated or not."""
    spec = importlib.util.find_spec("torch")
    found = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else torch_around()
    if found is None:
        raise RuntimeError(f"PyTorch is not installed: pip install '{TORCH}'")
    return found


def wheels_prefix() -> Path:
    """The prefix that holds include/sycl and lib/libsycl.so: SYCLDCN_WHEELS, else where intel-sycl-rt is installed."""
    if os.environ.get("SYCLDCN_WHEELS"):
        return Path(os.environ["SYCLDCN_WHEELS"]).resolve()
    try:
        files = importlib.metadata.files("intel-sycl-rt") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "sycl.hpp" and file.parent.name == "sycl":
            return Path(file.locate()).resolve().parents[2]
    raise RuntimeError("the SYCL headers are not installed: pip install " + " ".join(runtime_requirements()))


def get_requires_for_build_wheel(config_settings=None):
    """What pip installs for the build."""
    requires = list(_backend.get_requires_for_build_wheel(config_settings))
    if not os.environ.get("SYCLDCN_WHEELS"):
        requires += runtime_requirements()
    if torch_around() is None:
        requires.append(TORCH)
    return requires


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the library and packs it."""
    settings = dict(config_settings or {})
    settings.setdefault("cmake.define.SYCLDCN_WHEELS", str(wheels_prefix()))
    settings.setdefault("cmake.define.SYCLDCN_TORCH", str(torch_folder()))
    return _backend.build_wheel(wheel_directory, settings, metadata_directory)
