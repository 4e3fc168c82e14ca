"""The package is tested from the checkout, with the libraries that SYCL_DCN_LIBRARIES names or build/python holds.

Tests with a parameter `device` run on every device that PyTorch and SYCL both reach, the CPU first. `--device cuda` runs them,
and only them, there, and is an error where that cannot be used.
"""

import functools
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("SYCL_DCN_LIBRARIES", str(ROOT / "build" / "python"))
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(Path(__file__).parent))
PROGRAM = Path(os.environ["SYCL_DCN_LIBRARIES"]).parent / "bin" / "centernet"  # the build that the libraries belong to

BACKENDS = {"cpu": ("opencl",), "cuda": ("cuda",), "xpu": ("level_zero", "opencl")}


@functools.cache
def why_not(device):
    """Why tests cannot run on a device of PyTorch's name; empty when they can."""
    import torch

    from sycl_dcn import usm

    if not torch.get_device_module(device).is_available():
        return f"PyTorch {torch.__version__} sees no {device} device"
    kind = "cpu" if device == "cpu" else "gpu"
    found = [d for d in usm.devices() if d["kind"] == kind and d["backend"] in BACKENDS[device]]
    reasons = [d["why_unusable"] for d in found]
    return "" if "" in reasons else usm.discovery_problem() or "; ".join(reasons) or f"SYCL sees no {device} device"


def pytest_addoption(parser):
    parser.addoption("--device", choices=tuple(BACKENDS), help="run the tests that take a device, on this one alone "
                                                               "(default: every test; those on each device that can be used)")


def pytest_generate_tests(metafunc):
    if "device" not in metafunc.fixturenames:
        return
    wanted = metafunc.config.getoption("device")
    if wanted and why_not(wanted):
        raise pytest.UsageError(f"--device {wanted}: {why_not(wanted)}. `python -m sycl_dcn.doctor` shows more")
    metafunc.parametrize("device", [wanted] if wanted else ["cpu", *(d for d in ("cuda", "xpu") if not why_not(d))])


TAKES_DEVICE = re.compile(r"^def \w+\([^)]*\bdevice\b", re.MULTILINE)


def pytest_ignore_collect(collection_path, config):
    """Modules without a test that takes a device may need packages that a machine with a GPU lacks."""
    if config.getoption("device") and collection_path.suffix == ".py" and not TAKES_DEVICE.search(collection_path.read_text()):
        return True
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("device"):
        others = [item for item in items if "device" not in item.fixturenames]
        items[:] = [item for item in items if "device" in item.fixturenames]
        config.hook.pytest_deselected(items=others)
