"""Builds a migrated CUDA extension with g++ and the SYCL wheels.

setup.py, and Python files that call torch.utils.cpp_extension.load, get two lines that call install() (README.md). pyproject.toml names
this file as its build backend, so that `pip install .` works on the packages that are installed instead of on downloaded ones.

CSY_SYCL_ROOT   prefix of the SYCL runtime (holds include/sycl and lib/libsycl.so), else that of the wheel intel-sycl-rt
CSY_COMPILER    `icpx` compiles kernels ahead of time; default: g++, and kernels are compiled at run time
"""
import glob
import importlib.metadata
import os
import pathlib
import re
import shlex
import site
import sys
import sysconfig

HERE = os.path.dirname(os.path.abspath(__file__))
MIGRATED = ".dp.cpp"
MISSING = """The SYCL runtime was not found in {tried}.
Install it into this environment:

    {python} -m pip install intel-sycl-rt intel-opencl-rt

or name the prefix that holds include/sycl and lib/libsycl.so in CSY_SYCL_ROOT."""


def _add_site_packages():
    """pip hides the environment's packages from builds; this one is meant to use them (PyTorch, setuptools)."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages(), site.getusersitepackages()]
    sys.path.extend(f for f in dict.fromkeys(folders) if os.path.isdir(f) and f not in sys.path)


# ---- Where things are ---------------------------------------------------------------------------------------------------


def sycl_root():
    """The prefix of the SYCL runtime; SystemExit that says what to install when there is none."""
    candidates = [os.environ["CSY_SYCL_ROOT"]] if os.environ.get("CSY_SYCL_ROOT") else []
    if not candidates:
        try:
            wheel = importlib.metadata.distribution("intel-sycl-rt")
            found = [f for f in wheel.files or [] if f.name == "sycl.hpp" and f.parent.name == "sycl"]
            candidates += [str(pathlib.Path(wheel.locate_file(f)).resolve().parents[2]) for f in found]
        except importlib.metadata.PackageNotFoundError:
            pass
        candidates += [sys.prefix, site.getuserbase()]
    for root in candidates:
        if all(os.path.exists(os.path.join(root, *part)) for part in (("include", "sycl", "sycl.hpp"), ("lib", "libsycl.so"))):
            return root
    raise SystemExit(MISSING.format(tried=", ".join(candidates), python=sys.executable))


def _has_xpu():
    import torch
    return bool(getattr(torch.version, "xpu", None))


# ---- Sources and flags ----------------------------------------------------------------------------------------------------


def migrated(path):
    """x.cu -> x.dp.cpp when that is what exists."""
    text = os.fspath(path)
    other = re.sub(r"\.cu$", MIGRATED, text)
    return other if other != text and _exists(other) else text


def _sources(sources):
    return list(dict.fromkeys(migrated(s) for s in sources))


def _flags(args):
    """Flags for g++ from those of an extension: its own, and what nvcc's say about macros and include paths."""
    if not isinstance(args, dict):
        return [str(a) for a in args or []]
    flags, nvcc = [str(a) for a in args.get("cxx", [])], [str(a) for a in args.get("nvcc", [])]
    for at, flag in enumerate(nvcc):
        takes_next = flag in ("-D", "-U", "-I") and at + 1 < len(nvcc)
        if takes_next:
            flags += [flag + nvcc[at + 1]]
        elif flag[:2] in ("-D", "-U", "-I"):
            flags.append(flag)
    return flags


def _device_macros(macros, flags):
    """The project's macros as csy_host.hpp's CSY_DEFINES: the run-time compiler must see the same branches."""
    named = [m if isinstance(m, tuple) else (m, None) for m in macros]
    named = [(n, v if v is None else str(v)) for n, v in named]
    named += [tuple((f[2:].split("=", 1) + [None])[:2]) for f in flags if f.startswith("-D")]
    plain = [(n, v) for n, v in named if re.fullmatch(r"\w+", n) and re.fullmatch(r"[\w.+-]*", v or "")]
    return ",".join(dict.fromkeys(f"{n}={1 if v is None else v}" for n, v in plain))


def _cuda_version():
    """CUDA_VERSION for the sources, some of which compare it with PyTorch's."""
    import torch
    major, minor = map(int, (torch.version.cuda or "12.0").split(".")[:2])
    return major * 1000 + minor * 10


def _talks_in_warps():
    """Whether kernels need sub-groups of 32. The run-time compiler decides that for each file, from the same names."""
    files = (f for pattern in ("*.h", "*.hpp", "*.cuh", "*.cpp") for f in pathlib.Path(HERE).parent.rglob(pattern))
    return any(re.search(r"csy::warp_|csy_groups\.hpp", f.read_text(errors="replace")) for f in files if f.parent != pathlib.Path(HERE))


def _device_includes(folders):
    """csy_text.hpp's CSY_INCLUDES: where headers of other libraries are found, such as Eigen's."""
    named = [os.path.abspath(os.fspath(f)) for f in folders] + os.environ.get("CPATH", "").split(os.pathsep)
    return ":".join(dict.fromkeys(f for f in named if f and os.path.isdir(f) and not re.search(r'[:"\s]', f)))


def settings(macros=(), flags=(), includes=()):
    """Compiler flags, include folders, libraries and linker flags that every migrated source needs."""
    root = sycl_root()
    lib = os.path.join(root, "lib")
    out = [f for f in flags if not re.match(r"-std=|-flto", f)] + ["-std=c++20", "-fno-lto"]
    out += ["-isystem", os.path.join(root, "include"), f'-DCSY_DEFINES="{_device_macros(macros, flags)}"', f"-DCSY_CUDA_VERSION={_cuda_version()}"]
    out.append(f'-DCSY_INCLUDES="{_device_includes(includes)}"')
    libraries = ["sycl"]
    if _has_xpu():
        out.append("-DCSY_TORCH_XPU")
        libraries.append("c10_xpu")
    link = [f"-Wl,-rpath,{lib}", f"-Wl,-rpath-link,{lib}"]
    if os.environ.get("CSY_COMPILER") == "icpx":
        os.environ.update(CC="icx", CXX="icpx")
        out += ["-fsycl", "-fno-strict-aliasing"]
        if _talks_in_warps():
            out.append("-DCSY_FLAT=1")
        link.append("-fsycl")
    return {"flags": out, "include": [HERE], "library_dirs": [lib], "libraries": libraries, "link": link}


def extension(name, sources, *args, **kwargs):
    """Takes the place of CUDAExtension and CppExtension."""
    sources = _sources(sources)
    if any(s.endswith(".cu") for s in sources):
        raise SystemExit("not migrated: " + ", ".join(s for s in sources if s.endswith(".cu")))
    found = settings(kwargs.get("define_macros") or [], _flags(kwargs.get("extra_compile_args")), kwargs.get("include_dirs") or [])
    kwargs["extra_compile_args"] = found["flags"]
    kwargs["include_dirs"] = [*(kwargs.get("include_dirs") or []), *found["include"]]
    kwargs["library_dirs"] = [*(kwargs.get("library_dirs") or []), *found["library_dirs"]]
    kwargs["libraries"] = [lib for lib in kwargs.get("libraries") or [] if not lib.startswith(("cu", "nv"))] + found["libraries"]
    kwargs["extra_link_args"] = [*(kwargs.get("extra_link_args") or []), *found["link"]]
    for only_nvcc in ("dlink", "dlink_libraries"):
        kwargs.pop(only_nvcc, None)
    return _original["CppExtension"](name, sources, *args, **kwargs)


def load(name, sources, extra_cflags=None, extra_cuda_cflags=None, extra_ldflags=None, extra_include_paths=None, **kwargs):
    """Takes the place of torch.utils.cpp_extension.load."""
    sources = [sources] if isinstance(sources, str) else sources
    found = settings((), _flags({"cxx": extra_cflags or [], "nvcc": extra_cuda_cflags or []}), extra_include_paths or [])
    link = [*(extra_ldflags or []), *(f"-L{d}" for d in found["library_dirs"]), *(f"-l{lib}" for lib in found["libraries"])]
    kwargs.pop("with_cuda", None)
    return _original["load"](name, _sources(sources), extra_cflags=[shlex.quote(f) for f in found["flags"]],
                             extra_ldflags=link + found["link"], with_cuda=False,
                             extra_include_paths=[*(extra_include_paths or []), *found["include"]], **kwargs)


# ---- setup.py sees the original's files and a machine with CUDA -------------------------------------------------------------


def _as_original(path):
    text = os.fspath(path)
    return type(path)(re.sub(re.escape(MIGRATED) + "$", ".cu", text)) if text.endswith(MIGRATED) else path


def _show_cu_files():
    """*.dp.cpp answers to the name *.cu, and to no pattern that the original's .cu did not match."""
    def files(original):
        def found(pattern, *args, **kwargs):
            text = os.fspath(pattern)
            names = [p for p in original(pattern, *args, **kwargs) if not os.fspath(p).endswith(MIGRATED)]
            if text.endswith(".cu"):
                names += map(_as_original, original(type(pattern)(text[:-3] + MIGRATED), *args, **kwargs))
            return names
        return found

    def walk(original):
        def found(self, pattern, *args, **kwargs):
            names = [p for p in original(self, pattern, *args, **kwargs) if not p.name.endswith(MIGRATED)]
            if str(pattern).endswith(".cu"):
                names += map(_as_original, original(self, str(pattern)[:-3] + MIGRATED, *args, **kwargs))
            return iter(names)
        return found

    glob.glob, glob.iglob = files(glob.glob), files(glob.iglob)
    pathlib.Path.glob, pathlib.Path.rglob = walk(pathlib.Path.glob), walk(pathlib.Path.rglob)
    listdir = os.listdir
    os.listdir = lambda path=".": [_as_original(n) for n in listdir(path)]
    for name in ("exists", "isfile"):
        original = getattr(os.path, name)
        setattr(os.path, name, lambda path, original=original: original(path) or original(migrated(path)) if isinstance(path, (str, os.PathLike)) else original(path))


def _open_cuda_gates():
    import torch
    torch.cuda.is_available = torch.backends.cuda.is_built = lambda: True
    torch.has_cuda = True
    torch.cuda.device_count = lambda: 1
    torch.cuda.get_device_capability = lambda *_: (8, 0)
    if not torch.version.cuda:
        torch.version.cuda = "12.0"


_exists = os.path.exists
_original = {}


def install(names):
    """Replaces PyTorch's extension builders in `names` (the caller's globals()) and in torch.utils.cpp_extension.

    In a setup.py, CUDA appears to be there, and the migrated files under the names of the original's, until the process ends.
    """
    from torch.utils import cpp_extension
    ours = {"CUDAExtension": extension, "CppExtension": extension, "load": load}
    if not _original:
        _original.update({name: getattr(cpp_extension, name) for name in ours})
        if os.path.basename(names.get("__file__", "")) == "setup.py":
            _show_cu_files()
            _open_cuda_gates()
    ours["CUDA_HOME"] = cpp_extension.CUDA_HOME or HERE
    for name, value in ours.items():
        if name in names and names[name] in (_original.get(name, names[name]), None):
            names[name] = value
        setattr(cpp_extension, name, value)


# ---- The build backend of pyproject.toml ------------------------------------------------------------------------------------

if __name__ != "__main__":
    _add_site_packages()
    from setuptools.build_meta import *  # noqa: F401,F403 (the hooks of a build backend)
    from setuptools.build_meta import __legacy__ as _legacy  # runs setup.py with its folder on the path

    for _hook in ("build_wheel", "build_sdist", "build_editable", "get_requires_for_build_wheel", "get_requires_for_build_sdist",
                  "get_requires_for_build_editable", "prepare_metadata_for_build_wheel", "prepare_metadata_for_build_editable"):
        if hasattr(_legacy, _hook):
            globals()[_hook] = getattr(_legacy, _hook)
