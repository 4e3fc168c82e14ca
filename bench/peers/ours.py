"""libdcn_bench_peers.so for Python: our operator, oneDNN's plain convolution and our networks, in this process."""
import ctypes
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


_TYPES = {"fp32": 0, "bf16": 1, "fp16": 2, "tf32": 3}


class _Layer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_longlong) for name in ("batch", "in_channels", "out_channels", "height", "width")] + [
        ("type", ctypes.c_int)]


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


def _failure():
    return RuntimeError(_LIBRARY.dcn_bench_error().decode())


class _Work:
    """Something that runs again and again on the same memory."""

    def __init__(self, handle):
        if not handle:
            raise _failure()
        self._handle = ctypes.c_void_p(handle)

    def __call__(self, times=1):
        _LIBRARY.dcn_bench_run(self._handle, times)

    def __del__(self):
        if getattr(self, "_handle", None):
            _LIBRARY.dcn_bench_free(self._handle)


def _layer(input, weight, type):
    batch, height, width, in_channels = input.shape
    return ctypes.byref(_Layer(batch, in_channels, weight.shape[0], height, width, _TYPES[type]))


def _as(array, type):
    """Contiguous float32 as the bits of `type`; bf16 is rounded to even."""
    array = np.ascontiguousarray(array, np.float32)
    if type == "fp16":
        return array.astype(np.float16)
    if type == "bf16":
        bits = array.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return array


class Deformable(_Work):
    """input, offset, mask: NHWC float32, rounded to `type`; fp32, bf16, fp16 or tf32; device as `centernet --device` takes it."""

    def __init__(self, input, offset, mask, weight, bias, type="fp32", device="cpu"):
        self._type, self._shape = type, (*input.shape[:3], weight.shape[0])
        arrays = [_as(array, type) for array in (input, offset, mask, weight, bias)]
        super().__init__(_LIBRARY.dcn_bench_deformable(_layer(input, weight, type), device.encode(), *map(_pointer, arrays)))

    def output(self):
        """NHWC float32."""
        values = np.zeros(self._shape, {"fp16": np.float16, "bf16": np.uint16}.get(self._type, np.float32))
        _LIBRARY.dcn_bench_output(self._handle, _pointer(values))
        return (values.astype(np.uint32) << 16).view(np.float32) if self._type == "bf16" else values.astype(np.float32)


def plain(input, weight, bias, type="fp32"):
    """oneDNN's convolution, 3x3, padding 1, NHWC, weights in its own format; fp32 or bf16."""
    return _Work(_LIBRARY.dcn_bench_plain(_layer(input, weight, type), *map(_pointer, (input, weight, bias))))


def memory(batch, channels, outputs, side):
    """Bytes that fp32 plans hold on the CPU beside tensors and packed weights: of a forward work-group, which each thread
    holds one of, of the forward plan, of the backward plan."""
    found = [ctypes.c_double() for _ in range(3)]
    layer = _Layer(batch, channels, outputs, side, side, 0)
    if not _LIBRARY.dcn_bench_memory(ctypes.byref(layer), *map(ctypes.byref, found)):
        raise _failure()
    return dict(zip(("group", "forward", "backward"), (value.value for value in found)))


class Network(_Work):
    """A checkpoint's network; input: NCHW float32 picture; device as `centernet --device` takes it. plain: ordinary convolutions in
    place of the deformable ones."""

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
            raise _failure()
        return values
