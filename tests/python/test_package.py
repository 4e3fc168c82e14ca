"""The package itself: pins, names, the doctor, one SYCL runtime in a process."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib

import sycl_dcn
from conftest import PROGRAM, ROOT
from sycl_dcn import _library

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(code, **environment):
    return subprocess.run([sys.executable, *code], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **environment})


def test_the_runtimes_version_is_pinned_in_one_place():
    pins = dict(re.findall(r"^(intel-\w+-rt)==([\d.]+)$", (ROOT / "requirements.txt").read_text(), re.M))
    for name, version in pins.items():
        major = int(version.split(".")[0])
        assert f"{name}>={version},<{major + 1}" in PROJECT["project"]["dependencies"]
    assert len(pins) == 2


def test_the_version_is_the_projects():
    assert sycl_dcn.__version__ == PROJECT["project"]["version"]
    assert f"VERSION {sycl_dcn.__version__} " in (ROOT / "CMakeLists.txt").read_text()


def test_stubs_name_what_there_is():
    stub = ast.parse((ROOT / "python" / "sycl_dcn" / "__init__.pyi").read_text())
    names = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names | {"__version__"} == set(sycl_dcn.__all__)
    for name in sycl_dcn.__all__:
        assert getattr(sycl_dcn, name).__doc__, name
    assert (ROOT / "python" / "sycl_dcn" / "py.typed").exists()
    assert sorted(sycl_dcn.__all__) == dir(sycl_dcn)


def test_the_pages_errors_keep_to_its_bounds():
    """The measured table (parity_table.py) against what the same page promises; every type of both operators is there."""
    page = (ROOT / "docs" / "python.md").read_text()
    bounds = {"float32": 3e-5, "float64": 1e-12, "float16": 1e-3, "bfloat16": 8e-3}
    for name, bound in bounds.items():
        assert re.search(rf"^\| {name} \| {bound:g}", page.replace("3e-5", "3e-05").replace("1e-3", "0.001").replace(
            "8e-3", "0.008"), re.M), name
    table = page.split("<!-- parity:begin -->")[1].split("<!-- parity:end -->")[0]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (.+) \|$", table, re.M)
    assert sorted(kind for kind, whose, _ in rows if whose == "sycl_dcn") == sorted(2 * list(bounds))
    pooling = table.index("`deform_psroi_pool`")
    for kind, whose, numbers in rows:
        worst = max(float(n) for n in numbers.split(" | "))
        if whose == "sycl_dcn":
            rounded = kind == "float64" and table.index(numbers) > pooling  # the reference has trans_std in float32
            assert worst <= (1e-6 if rounded else bounds[kind]), (kind, numbers)


def test_importing_the_package_alone_loads_nothing():
    done = run(["-c", "import sycl_dcn, sys; assert 'torch' not in sys.modules; sycl_dcn.nothing"])
    assert "module 'sycl_dcn' has no attribute 'nothing'" in done.stderr


def test_the_doctor_is_content_here():
    done = run(["-m", "sycl_dcn.doctor"])
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("SYCL runtime: libsycl.so.", "a convolution on the CPU: 9, expected 9", "device 0: ", "All is well."):
        assert text in done.stdout, done.stdout
    assert "PROBLEM" not in done.stdout


def test_the_doctor_names_a_backend_that_fails():
    """tests/runtime/broken_adapter stands for the driver of an NVIDIA GPU; the CPU computes all the same."""
    adapter = PROGRAM.parents[1] / "tests" / "broken_adapter"
    assert (adapter / "libur_adapter_cuda.so.0").is_file()
    done = run(["-m", "sycl_dcn.doctor"], UR_ADAPTERS_SEARCH_PATH=str(adapter))
    assert done.returncode == 1
    assert "PROBLEM SYCL backends: the SYCL runtime cannot list its devices (cuda backend failed" in done.stdout
    assert "ONEAPI_DEVICE_SELECTOR='!cuda:*'" in done.stdout
    assert "a convolution on the CPU: 9, expected 9" in done.stdout, done.stdout


def test_the_doctor_teaches_its_options():
    done = run(["-m", "sycl_dcn.doctor", "--help"])
    assert done.returncode == 0 and "--install-cuda-builtins" in done.stdout


def test_the_doctor_names_a_missing_library(tmp_path):
    done = run(["-m", "sycl_dcn.doctor"], SYCL_DCN_LIBRARIES=str(tmp_path))
    assert done.returncode == 1
    assert f"PROBLEM sycl_dcn: {tmp_path}/libsycl_dcn_arrays.so is missing" in done.stdout
    assert "-> pip install" in done.stdout


def test_another_sycl_runtime_in_the_process_is_named(tmp_path):
    """A library with the name of another version stands for the runtime that another package has brought."""
    stranger = tmp_path / "libsycl.so.8"
    source = tmp_path / "empty.c"
    source.write_text("int stranger;")
    subprocess.run([shutil.which("gcc") or "cc", "-shared", "-o", stranger, source], check=True)
    done = run(["-c", f"import ctypes; ctypes.CDLL('{stranger}'); from sycl_dcn import deform_conv2d"])
    assert done.returncode == 1
    assert re.search(r"ImportError: sycl_dcn was built for libsycl\.so\.9, but this process has loaded libsycl\.so\.8 in "
                     + re.escape(str(tmp_path)), done.stderr), done.stderr[-500:]


def test_a_tbb_that_the_cpu_driver_cannot_use_is_named(tmp_path):
    """As OpenVINO's, when it is imported first. Loaded after us, it uses ours."""
    source = tmp_path / "empty.c"
    source.write_text("int stranger;")
    stranger = tmp_path / "libtbb.so.12"
    subprocess.run([shutil.which("gcc") or "cc", "-shared", "-Wl,-soname,libtbb.so.12", "-o", stranger, source], check=True)
    load = "from sycl_dcn import _library; _library.load_arrays()"
    done = run(["-c", f"import ctypes; ctypes.CDLL('{stranger}'); {load}"])
    assert re.search(f"RuntimeWarning: the CPU device's driver cannot work with {re.escape(str(stranger))}, which another",
                     done.stderr), done.stderr
    done = run(["-c", f"{load}; import openvino; print(*_library._loaded('libtbb.so.12'))"])
    assert len(done.stdout.split()) == 1 and "openvino" not in done.stdout and not done.stderr, done.stdout + done.stderr


def test_a_runtime_that_is_loaded_already_is_used():
    ours = run(["-c", "from sycl_dcn import _library; _library.load_arrays(); print(*_library.loaded_sycl())"])
    runtime = ours.stdout.strip()
    code = (f"import ctypes; ctypes.CDLL('{runtime}'); from sycl_dcn import _library, usm; usm.devices(); "
            "print(*_library.loaded_sycl())")
    assert run(["-c", code]).stdout.strip() == runtime


def test_an_old_pytorch_is_refused(monkeypatch):
    import pytest
    import torch

    monkeypatch.setattr(torch, "__version__", "2.8.1+cpu")
    _library.load_operators.cache_clear()
    with pytest.raises(ImportError, match="needs PyTorch 2.9 or newer, this is 2.8.1"):
        _library.load_operators()
