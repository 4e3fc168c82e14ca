"""`python -m sycl_dcn.doctor`: devices, versions, what was found where, and what to fix. Exit status 1 if the package cannot
compute here."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys

from . import __version__, _library

_MARKS = {True: "ok     ", False: "PROBLEM"}


class Report:
    """Lines, and whether one of them is a problem."""

    def __init__(self) -> None:
        self.healthy = True

    def fact(self, name: str, value: str) -> None:
        """A line that is neither good nor bad."""
        print(f"        {name}: {value}")

    def check(self, good: bool, name: str, value: str, remedy: str = "") -> bool:
        """A line that is; with what to do when it is bad."""
        print(f"{_MARKS[good]} {name}: {value}")
        if not good:
            self.healthy = False
            if remedy:
                print(f"          -> {remedy}")
        return good


def version_of(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages(report: Report) -> None:
    print("Packages")
    report.fact("Python", f"{platform.python_version()} in {sys.prefix}")
    for package in ("intel-sycl-rt", "intel-opencl-rt"):
        report.fact(package, version_of(package) or "not installed; below: whether another prefix has it")
    for package in ("torchvision", "dpctl", "dpnp", "onnx", "onnxruntime", "openvino"):
        report.fact(package, version_of(package) or "not installed; only needed for what uses it")


def _libraries(report: Report) -> bool:
    print("Libraries")
    folder = _library.folder()
    arrays = folder / "libsycl_dcn_arrays.so"
    if not report.check(arrays.is_file(), "sycl_dcn", f"{__version__}, libraries in {folder}" if arrays.is_file() else
                        f"{arrays} is missing", "pip install . in the checkout"):
        return False
    try:
        needed = _library.needed_sycl(arrays)
        _library.load_arrays()
    except ImportError as error:
        return report.check(False, "SYCL runtime", str(error), "pip install intel-sycl-rt intel-opencl-rt")
    loaded = _library.loaded_sycl()
    return report.check(bool(loaded), "SYCL runtime",
                        f"{needed} wanted, {', '.join(map(_library.version_of, loaded)) or 'none'} in use")


def _devices(report: Report) -> None:
    from . import usm

    print("Devices")
    found = usm.devices()
    report.check(any(not d["why_unusable"] for d in found), "SYCL devices", f"{len(found)} found",
                 "pip install intel-opencl-rt gives a CPU device")
    if problem := usm.discovery_problem():
        report.check(False, "SYCL backends", problem)
    for d in found:
        memory = int(d["memory"]) / 2**30
        line = f"{d['name']} ({d['kind']}, {d['backend']}, driver {d['driver']}, {memory:.0f} GiB)"
        report.check(not d["why_unusable"], f"device {d['index']}", line, d["why_unusable"])
    backends = {d["backend"] for d in found}
    if "cuda" not in backends:
        report.fact("NVIDIA GPUs", "none seen by SYCL; they need NVIDIA's driver and the oneAPI plugin for NVIDIA GPUs "
                                   "(libur_adapter_cuda.so beside libsycl.so)")
    if "level_zero" not in backends:
        report.fact("Intel GPUs", "none seen by SYCL; they need Intel's compute runtime (Debian, Ubuntu: "
                                  "intel-opencl-icd, libze-intel-gpu1, libze1)")


def _pytorch(report: Report) -> None:
    print("PyTorch")
    try:
        import torch
    except ImportError as error:
        report.check(False, "PyTorch", f"cannot be imported ({error})", "pip install torch")
        return
    report.fact("PyTorch", f"{torch.__version__}, CUDA {torch.version.cuda or 'no'}, "
                           f"{torch.cuda.device_count()} CUDA and {torch.xpu.device_count()} XPU devices")
    try:
        library = _library.load_operators()
    except ImportError as error:
        report.check(False, "operators", str(error))
        return
    report.check(True, "operators", str(library))
    from . import deform_conv2d

    x, offset, weight = torch.ones(1, 1, 4, 4), torch.zeros(1, 18, 4, 4), torch.ones(1, 1, 3, 3)
    names = {"cpu": "CPU", "cuda": "CUDA device", "xpu": "XPU"}
    for device in (d for d in names if torch.get_device_module(d).is_available()):
        try:
            middle = float(deform_conv2d(x.to(device), offset.to(device), weight.to(device), padding=1)[0, 0, 1, 1])
            report.check(middle == 9.0, f"a convolution on the {names[device]}", f"{middle:g}, expected 9")
        except RuntimeError as error:
            report.check(False, f"a convolution on the {names[device]}", str(error))


def main() -> int:
    """Prints the report; 0 when all is well."""
    parser = argparse.ArgumentParser(prog="python -m sycl_dcn.doctor", description=__doc__)
    parser.add_argument("--install-cuda-builtins", action="store_true",
                        help="NVIDIA GPUs, once, as root: first write the file that the run-time compiler needs")
    if parser.parse_args().install_cuda_builtins:
        from . import usm

        try:
            print(f"{usm.install_cuda_builtins()} written")
        except (ImportError, RuntimeError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    report = Report()
    _packages(report)
    # SYCL before PyTorch: what PyTorch brings along must not hide what is missing.
    if _libraries(report):
        try:
            _devices(report)
        except RuntimeError as error:
            report.check(False, "devices", str(error))
    _pytorch(report)
    print("All is well." if report.healthy else "See the lines marked PROBLEM.")
    return 0 if report.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
