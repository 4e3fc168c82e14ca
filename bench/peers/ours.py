"""libdcn_bench_peers.so for Python: our operator, oneDNN's plain convolution and our networks, in this process."""
import ctypes
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class _Layer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_longlong) for name in ("batch", "in_channels", "out_channels", "height", "width")] + [
        ("bf16", ctypes.c_int)]


def _load():
    file = pathlib.Path(os.environ.get("DCN_BENCH_LIBRARY") or ROOT / "build" / "lib" / "libdcn_bench_peers.so")
    if not file.exists():
        raise SystemExit(f"{file} is missing: run bench/run, which builds it, or name it in DCN_BENCH_LIBRARY")
    library = ctypes.CDLL(str(file))
    for name in ("deformable", "plain", "network"):
        getattr(library, f"dcn_bench_{name}").restype = ctypes.c_void_p
    library.dcn_bench_error.restype = ctypes.c_char_p
    return library


_LIBRARY = _load()


def _pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


class _Work:
    """Something that runs again and again on the same memory."""

    def __init__(self, handle, *keep):
        if not handle:
            raise RuntimeError(_LIBRARY.dcn_bench_error().decode())
        self._handle, self._keep = ctypes.c_void_p(handle), keep

    def __call__(self):
        _LIBRARY.dcn_bench_run(self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            _LIBRARY.dcn_bench_free(self._handle)


def _layer(input, weight):
    batch, height, width, in_channels = input.shape
    return _Layer(batch, in_channels, weight.shape[0], height, width, 0)


def deformable(input, offset, mask, weight, bias):
    """input, offset, mask: NHWC float32; returns (work, output NHWC)."""
    output = np.zeros((*input.shape[:3], weight.shape[0]), np.float32)
    arrays = (input, offset, mask, weight, bias, output)
    handle = _LIBRARY.dcn_bench_deformable(ctypes.byref(_layer(input, weight)), *map(_pointer, arrays))
    return _Work(handle, *arrays), output


def plain(input, weight, bias):
    """oneDNN's convolution, 3x3, padding 1, NHWC, weights in its own format."""
    handle = _LIBRARY.dcn_bench_plain(ctypes.byref(_layer(input, weight)), *map(_pointer, (input, weight, bias)))
    return _Work(handle)


class Network(_Work):
    """A checkpoint's network; input: NCHW float32 picture; device as `centernet --device` takes it."""

    def __init__(self, checkpoint, input, plain=False, device="cpu", bf16=False):
        batch, _, height, width = input.shape
        self._map = (batch, height // 4, width // 4)
        super().__init__(_LIBRARY.dcn_bench_network(str(checkpoint).encode(), device.encode(), int(plain), int(bf16),
                                                    ctypes.c_longlong(batch), ctypes.c_longlong(height),
                                                    ctypes.c_longlong(width), _pointer(np.ascontiguousarray(input))))

    def head(self, name, channels):
        batch, height, width = self._map
        values = np.zeros((batch, channels, height, width), np.float32)
        if not _LIBRARY.dcn_bench_head(self._handle, name.encode(), _pointer(values)):
            raise RuntimeError(_LIBRARY.dcn_bench_error().decode())
        return values
