"""Finding and loading the compiled library and the SYCL runtime that it needs."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import os
import re
import sys
import warnings
from pathlib import Path

RUNTIME_PACKAGE = "intel-sycl-rt"
MINIMUM_TORCH = (2, 9)


def folder() -> Path:
    """Where the compiled libraries lie: in the package, or where SYCL_DCN_LIBRARIES says."""
    override = os.environ.get("SYCL_DCN_LIBRARIES")
    return Path(override) if override else Path(__file__).parent / "_lib"


def needed_sycl(library: Path) -> str:
    """The name of the SYCL runtime that `library` was linked with, such as "libsycl.so.9"."""
    found = re.search(rb"\0(libsycl\.so\.\d+)\0", library.read_bytes())
    if not found:
        raise ImportError(f"{library}: not a library of sycl_dcn (it needs no SYCL runtime): reinstall sycl-dcn")
    return found.group(1).decode()


def _loaded(name: str) -> list[str]:
    """Every library of this process whose file is called `name`, or `name` and more numbers."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return []
    return sorted({line.split(maxsplit=5)[-1] for line in maps.splitlines() if f"/{name}" in line})


def loaded_sycl() -> list[Path]:
    """Every SYCL runtime that this process has loaded."""
    return [Path(path) for path in _loaded("libsycl.so.")]


def runtime_folders() -> list[Path]:
    """Where the SYCL runtime may lie, best first."""
    folders = []
    try:
        for file in importlib.metadata.files(RUNTIME_PACKAGE) or []:
            if file.name.startswith("libsycl.so"):
                folders.append(Path(file.locate()).resolve().parent)
                break
    except importlib.metadata.PackageNotFoundError:
        pass
    folders.append(Path(sys.prefix) / "lib")
    return folders


def announce_cpu_driver() -> None:
    """Lets the OpenCL loader find the CPU device of intel-opencl-rt, as libdcn does when it is loaded: for callers that make
    a queue of dpctl before their first call of ours. A variable that the user has set is left alone."""
    for folder in [path.parent for path in loaded_sycl()] + runtime_folders():
        driver = folder / "libintelocl.so"
        if driver.exists():
            os.environ.setdefault("OCL_ICD_FILENAMES", str(driver))
            return


def version_of(sycl: Path) -> str:
    """A runtime's full version as its files tell it, such as "libsycl.so.9.0.0 in /usr/lib"."""
    sycl = sycl.resolve()
    exact = [p.name for p in sycl.parent.glob("libsycl.so.*.*.*") if p.suffix != ".py" and "gdb" not in p.name]
    return f"{exact[0] if len(exact) == 1 else sycl.name} in {sycl.parent}"


def check_sycl(library: Path) -> None:
    """Makes sure that one process holds one SYCL runtime.

    A runtime that is loaded already (by PyTorch's XPU build, dpctl, ...) is used when its name is the one that we were
    built with. Another one cannot be: queues and memory of one mean nothing to the other.
    """
    needed = needed_sycl(library)
    loaded = loaded_sycl()
    strangers = [p for p in loaded if not re.match(re.escape(needed) + r"(\.|$)", p.name)]
    if strangers:
        raise ImportError(
            f"sycl_dcn was built for {needed}, but this process has loaded {version_of(strangers[0])}. Two SYCL runtimes in "
            f"one process cannot share queues or memory. Build sycl_dcn from source against that one "
            f"(SYCLDCN_WHEELS=<its prefix> pip install --no-deps .), or install a PyTorch or dpctl made for {needed}")
    if loaded:
        return
    for folder in runtime_folders():
        if (folder / needed).exists():
            # Global, so that whoever needs the same name later finds this one.
            ctypes.CDLL(str(folder / needed), mode=ctypes.RTLD_GLOBAL)
            return
    # Else the loader looks where the library itself points.


@functools.cache
def share_tbb() -> None:
    """One TBB in a process: the CPU driver needs one that is as new as its own, and other packages (OpenVINO) bring theirs, under
    the same name. The driver's is loaded first, and serves all; when another one is there already, that is said unless it
    will do."""
    loaded = _loaded("libtbb.so.12")
    for folder in runtime_folders():
        tbb, driver = folder / "libtbb.so.12", folder / "libintelocl.so"
        if not tbb.exists() or not driver.exists():
            continue
        if not loaded:
            ctypes.CDLL(str(tbb))
        elif not any(Path(path).samefile(tbb) for path in loaded if Path(path).exists()):
            try:
                ctypes.CDLL(str(driver))
            except OSError as error:
                warnings.warn(f"the CPU device's driver cannot work with {loaded[0]}, which another package has loaded "
                              f"({error}): import that package after sycl_dcn's operators", RuntimeWarning, stacklevel=4)
        return


def _find(name: str) -> Path:
    library = folder() / name
    if not library.is_file():
        raise ImportError(f"{library} is missing: install the package (pip install . in the checkout), or set "
                          "SYCL_DCN_LIBRARIES to the folder that holds it")
    check_sycl(folder() / "libsycl_dcn_arrays.so")  # what everything of SYCL goes through
    share_tbb()
    return library


def _cannot(library: Path, error: OSError) -> ImportError:
    return ImportError(f"{library} cannot be loaded ({error}). `python -m sycl_dcn.doctor` shows what is missing; usually "
                       f"`pip install {RUNTIME_PACKAGE} intel-opencl-rt` helps")


@functools.cache
def load_arrays() -> ctypes.CDLL:
    """The C functions for arrays of other SYCL libraries. Raises ImportError with what to do."""
    library = _find("libsycl_dcn_arrays.so")
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise _cannot(library, error) from error


@functools.cache
def load_operators() -> Path:
    """Loads PyTorch's operators once, which registers them. Raises ImportError with what to do."""
    import torch

    have = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if have < MINIMUM_TORCH:
        raise ImportError(f"sycl_dcn needs PyTorch {'.'.join(map(str, MINIMUM_TORCH))} or newer, this is "
                          f"{torch.__version__}: pip install --upgrade torch")
    library = _find("libsycl_dcn_torch.so")
    try:
        torch.ops.load_library(str(library))
    except OSError as error:
        raise _cannot(library, error) from error
    return library
