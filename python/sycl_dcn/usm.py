"""The operators on arrays that are not PyTorch's, in their memory, nothing copied.

- Arrays with `__sycl_usm_array_interface__` whose `syclobj` is a queue of dpctl (dpnp, dpctl): on their own queue, in its order;
  results are of the same library, on the same queue and in the same kind of memory.
- Anything with `__dlpack__` and `__dlpack_device__`: memory of a SYCL device (kDLOneAPI) as an array of dpnp on the queue of the
  call's other arrays, or on dpnp's queue of that device; CPU memory in place by SYCL's CPU device, with NumPy arrays as
  results. DLPack names no queue: what was submitted to write such memory must be done.

A call returns when its results are written, because nothing else would keep temporary arrays alive until then. float32, float16,
float64. No gradients are recorded; the backward functions give them.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import _library
from ._arguments import Pair, infer_groups, pair

_library.announce_cpu_driver()  # before the process's first SYCL call, which may be dpctl's

_TYPES = {"<f4": 0, "<f2": 1, "<f8": 2}
_ROOM = 4096


class _Array(ctypes.Structure):
    """Mirror of Array in python/src/arrays.cpp."""

    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_int64), ("rank", ctypes.c_int64),
                ("sizes", ctypes.c_int64 * 4), ("strides", ctypes.c_int64 * 4)]


class _Message(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("room", ctypes.c_int64)]


_CPU, _ONEAPI = 1, 14  # DLPack's device types


def _has_queue(array: Any) -> bool:
    return hasattr(array, "__sycl_usm_array_interface__")


def _adopt(name: str, array: Any) -> Any:
    """The same memory as an array whose queue is known (SYCL), or as a NumPy array (CPU)."""
    if _has_queue(array):
        return array
    if not hasattr(array, "__dlpack__") or not hasattr(array, "__dlpack_device__"):
        raise TypeError(f"{name}: {type(array).__name__}, expected a torch.Tensor or an array with "
                        "__sycl_usm_array_interface__ or __dlpack__ (dpnp, dpctl, NumPy)")
    device = int(array.__dlpack_device__()[0])
    if device == _ONEAPI:
        import dpnp as library
    elif device == _CPU:
        import numpy as library
    else:
        raise TypeError(f"{name}: memory of DLPack's device type {device}, expected a SYCL device ({_ONEAPI}) or the CPU "
                        f"({_CPU}); tensors of other devices through PyTorch")
    try:
        return library.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(f"{name}: {type(array).__name__}, which {library.__name__}.from_dlpack refuses: {error}") from error


def _queue_of(name: str, array: Any) -> Any:
    queue = array.__sycl_usm_array_interface__["syclobj"]
    if not hasattr(queue, "addressof_ref"):
        raise TypeError(f"{name}: its syclobj is a {type(queue).__name__}, expected a queue of dpctl")
    return queue


def _gather(**given: Any) -> tuple[dict[str, Any], Any]:
    """The arrays as `_adopt` makes them, and the one queue that they live on: of dpctl, or None for CPU memory."""
    arrays = {name: None if array is None else _adopt(name, array) for name, array in given.items()}
    first = next(iter(arrays))
    for name, array in arrays.items():
        if array is not None and _has_queue(array) != _has_queue(arrays[first]):
            places = {True: "a SYCL device", False: "the CPU"}
            raise ValueError(f"{name}: in memory of {places[_has_queue(array)]}, expected {places[_has_queue(arrays[first])]} "
                             f"as {first}")
    if not _has_queue(arrays[first]):
        return arrays, None
    # Arrays that came with a queue decide; memory without one goes along.
    fixed = [name for name, array in given.items() if array is not None and _has_queue(array)] or [first]
    queue = _queue_of(fixed[0], arrays[fixed[0]])
    for name, array in arrays.items():
        if array is None or _queue_of(name, array) == queue:
            continue
        if name in fixed or array.sycl_context != queue.sycl_context:
            raise ValueError(f"{name}: on another queue than {fixed[0]}, expected the same: copy it there first")
        arrays[name] = array.to_device(queue)  # the same memory: the context is the same
    return arrays, queue


def _layout(array: Any) -> tuple[int, str, tuple[int, ...], list[int] | None]:
    """Address, type, sizes, and strides in elements (None: row-major)."""
    if not _has_queue(array):
        return array.ctypes.data, array.dtype.str, array.shape, [step // array.itemsize for step in array.strides]
    interface = array.__sycl_usm_array_interface__
    kind = interface["typestr"].replace("|", "<").replace("=", "<")
    address = interface["data"][0] + interface.get("offset", 0) * int(kind[2:])
    return address, kind, tuple(interface["shape"]), interface.get("strides")


def _describe(name: str, array: Any) -> _Array:
    """The array's memory as the library takes it."""
    if array is None:
        return _Array(None, 0, -1)
    address, kind, shape, strides = _layout(array)
    if kind not in _TYPES:
        raise TypeError(f"{name}: type {kind}, expected float32, float16 or float64")
    if len(shape) > 4:
        raise ValueError(f"{name}: {len(shape)} dimensions, expected at most 4")
    if strides is None:
        strides, step = [0] * len(shape), 1
        for d in reversed(range(len(shape))):
            strides[d] = step
            step *= max(shape[d], 1)
    fill = (0,) * (4 - len(shape))
    return _Array(address if 0 not in shape else None, _TYPES[kind], len(shape),
                  (ctypes.c_int64 * 4)(*shape, *fill), (ctypes.c_int64 * 4)(*strides, *fill))


def _call(function: str, queue: Any, arrays: dict[str, Any], numbers: list[int], *more: Any) -> None:
    described = (_Array * len(arrays))(*(_describe(name, array) for name, array in arrays.items()))
    buffer = ctypes.create_string_buffer(_ROOM)
    message = _Message(ctypes.cast(buffer, ctypes.c_char_p), _ROOM)
    # dpctl keeps a `sycl::queue*` behind its reference; `addressof_ref` is its address. Null: CPU memory, our own queue.
    address = None if queue is None else queue.addressof_ref()
    failed = getattr(_library.load_arrays(), function)(
        ctypes.c_void_p(address), described, (ctypes.c_int64 * len(numbers))(*numbers), *more, message)
    if queue is not None:
        queue.wait()
    if failed:
        raise RuntimeError(buffer.value.decode(errors="replace"))


def _empty(like: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """An array of the same library, queue and kind of memory."""
    if not _has_queue(like):
        import numpy
        return numpy.empty(shape, dtype or like.dtype)
    import dpnp
    return dpnp.empty(shape, dtype=dtype or like.dtype, usm_type=like.usm_type, sycl_queue=like.sycl_queue)


def _conv_numbers(input: Any, offset: Any, weight: Any, stride: Pair, padding: Pair, dilation: Pair) -> list[int]:
    for name, array in (("input", input), ("offset", offset), ("weight", weight)):
        if len(array.shape) != 4:
            raise ValueError(f"{name}: {len(array.shape)} dimensions, expected 4")
    groups = infer_groups(input.shape[1], weight.shape[1])
    taps = 2 * weight.shape[2] * weight.shape[3]
    return [*weight.shape[2:], *pair("stride", stride), *pair("padding", padding), *pair("dilation", dilation), groups,
            max(1, offset.shape[1] // max(1, taps))]


def deform_conv2d(input: Any, offset: Any, weight: Any, bias: Any = None, stride: Pair = (1, 1), padding: Pair = (0, 0),
                  dilation: Pair = (1, 1), mask: Any = None) -> Any:
    """`sycl_dcn.deform_conv2d` for arrays of other libraries."""
    arrays, queue = _gather(input=input, offset=offset, mask=mask, weight=weight, bias=bias)
    input, offset, weight = arrays["input"], arrays["offset"], arrays["weight"]
    numbers = _conv_numbers(input, offset, weight, stride, padding, dilation)
    output = _empty(input, (input.shape[0], weight.shape[0], *offset.shape[2:]))
    _call("sycl_dcn_deform_conv2d", queue, {**arrays, "output": output}, numbers)
    return output


def deform_conv2d_backward(grad_output: Any, input: Any, offset: Any, weight: Any, stride: Pair = (1, 1),
                           padding: Pair = (0, 0), dilation: Pair = (1, 1), mask: Any = None,
                           deterministic: bool = False) -> tuple:
    """Gradients of input, offset, mask (None without one), weight and bias."""
    arrays, queue = _gather(grad_output=grad_output, input=input, offset=offset, mask=mask, weight=weight)
    input, offset, mask, weight = (arrays[name] for name in ("input", "offset", "mask", "weight"))
    numbers = _conv_numbers(input, offset, weight, stride, padding, dilation)
    grads = {"grad_input": _empty(input, input.shape), "grad_offset": _empty(input, offset.shape),
             "grad_mask": None if mask is None else _empty(input, mask.shape),
             "grad_weight": _empty(input, weight.shape), "grad_bias": _empty(input, weight.shape[:1])}
    _call("sycl_dcn_deform_conv2d_backward", queue, {**arrays, **grads}, numbers, ctypes.c_int(deterministic))
    return tuple(grads.values())


def deform_psroi_pool(input: Any, rois: Any, offset: Any, spatial_scale: float, output_dim: int, pooled_size: int,
                      group_size: int = 1, part_size: int | None = None, sample_per_part: int = 4,
                      trans_std: float = 0.0) -> Any:
    """`sycl_dcn.deform_psroi_pool` for arrays of other libraries. `rois` are float32 (float64 for float64 input)."""
    arrays, queue = _gather(input=input, rois=rois, offset=offset)
    input, rois = arrays["input"], arrays["rois"]
    shape = (rois.shape[0], output_dim, pooled_size, pooled_size)
    results = {"output": _empty(input, shape), "count": _empty(input, shape, rois.dtype)}
    part = pooled_size if part_size is None else part_size
    _call("sycl_dcn_deform_psroi_pool", queue, {**arrays, **results},
          [output_dim, group_size, pooled_size, part, sample_per_part], ctypes.c_double(spatial_scale),
          ctypes.c_double(trans_std))
    return results["output"]


def deform_psroi_pool_backward(grad_output: Any, input: Any, rois: Any, offset: Any, spatial_scale: float,
                               output_dim: int, pooled_size: int, group_size: int = 1, part_size: int | None = None,
                               sample_per_part: int = 4, trans_std: float = 0.0) -> tuple:
    """Gradients of input and offset (None without one)."""
    arrays, queue = _gather(grad_output=grad_output, input=input, rois=rois, offset=offset)
    input, offset = arrays["input"], arrays["offset"]
    grads = {"grad_input": _empty(input, input.shape),
             "grad_offset": None if offset is None else _empty(input, offset.shape)}
    part = pooled_size if part_size is None else part_size
    _call("sycl_dcn_deform_psroi_pool_backward", queue, {**arrays, **grads},
          [output_dim, group_size, pooled_size, part, sample_per_part], ctypes.c_double(spatial_scale),
          ctypes.c_double(trans_std))
    return tuple(grads.values())


def _text_of(function) -> str:
    """The message of a function that has nothing but one. Raises RuntimeError with it when the function failed."""
    buffer = ctypes.create_string_buffer(16 * _ROOM)
    failed = function(_Message(ctypes.cast(buffer, ctypes.c_char_p), 16 * _ROOM))
    text = buffer.value.decode(errors="replace")
    if failed:
        raise RuntimeError(text)
    return text


def devices() -> list[dict[str, str]]:
    """Every SYCL device: index, name, kind, backend, driver, memory, why_unusable (empty when it can be used)."""
    names = ("index", "name", "kind", "backend", "driver", "memory", "why_unusable")
    text = _text_of(_library.load_arrays().sycl_dcn_devices)
    return [dict(zip(names, line.split("\t"))) for line in text.splitlines()]


def discovery_problem() -> str:
    """Why devices of a backend are missing though it is installed (its driver failed when it was asked), with the remedy; empty
    when every backend answered."""
    return _text_of(_library.load_arrays().sycl_dcn_discovery_problem)


def install_cuda_builtins() -> str:
    """NVIDIA GPUs, once per machine, as root: writes the file of built-in functions that the run-time compiler carries inside
    but looks for on disk. Returns where it lies; raises RuntimeError when it cannot be written."""
    return _text_of(_library.load_arrays().sycl_dcn_install_cuda_builtins)
