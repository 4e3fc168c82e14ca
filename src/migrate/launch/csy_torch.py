"""What stands for torch.cuda in migrated Python files: the device that the migrated kernels run on.

CSY_DEVICE=auto|cpu|xpu|none (README.md of the migration) chooses it, for this module and for the kernels alike.
"""
import contextlib
import os
import time
import types

import torch


def _chosen():
    word = os.environ.get("CSY_DEVICE") or "auto"
    if word not in ("auto", "cpu", "xpu", "none"):
        raise RuntimeError(f"CSY_DEVICE={word}: expected auto, cpu, xpu or none")
    xpu = bool(getattr(torch.version, "xpu", None)) and torch.xpu.is_available()
    if word == "xpu" and not xpu:
        raise RuntimeError("CSY_DEVICE=xpu, but this build of PyTorch has no XPU, or none is present")
    return "xpu" if word == "xpu" or (word == "auto" and xpu) else word.replace("auto", "cpu")


def device(index=None):
    """torch.device("cuda", index) of the original. The CPU is one device, whatever the index."""
    if isinstance(index, str):
        index = int(index.partition(":")[2] or 0)
    return torch.device("xpu", index) if _chosen() == "xpu" else torch.device("cpu")


def on_device(x):
    """x.is_cuda of the original: whether kernels may be given this tensor."""
    return _chosen() != "none" and x.device.type == device().type


def is_available():
    return _chosen() != "none"


def device_count():
    return torch.xpu.device_count() if _chosen() == "xpu" else 1


def current_device():
    return torch.xpu.current_device() if _chosen() == "xpu" else 0


def get_device_name(index=None):
    return torch.xpu.get_device_name(index) if _chosen() == "xpu" else "SYCL CPU device"


def set_device(index):
    if _chosen() == "xpu":
        torch.xpu.set_device(index)


class device_of:  # noqa: N801 (the original's name)
    """torch.cuda.device_of(tensor) and torch.cuda.device(index): makes an XPU the current one; nothing to do on the CPU."""

    def __init__(self, x):
        self._guard = torch.xpu.device(x.device if isinstance(x, torch.Tensor) else x) if _chosen() == "xpu" else None

    def __enter__(self):
        return self._guard.__enter__() if self._guard else None

    def __exit__(self, *error):
        return self._guard.__exit__(*error) if self._guard else False


def synchronize(index=None):
    if _chosen() == "xpu":
        torch.xpu.synchronize(index)


def empty_cache():
    if _chosen() == "xpu":
        torch.xpu.empty_cache()


def manual_seed(seed):
    torch.manual_seed(seed)


manual_seed_all = manual_seed


def _of_memory(name, otherwise):
    def read(*args, **kwargs):
        return getattr(torch.xpu, name)(*args, **kwargs) if _chosen() == "xpu" else otherwise
    return read


# PyTorch does not count the memory of the CPU.
memory_allocated, max_memory_allocated = _of_memory("memory_allocated", 0), _of_memory("max_memory_allocated", 0)
memory_reserved, max_memory_reserved = _of_memory("memory_reserved", 0), _of_memory("max_memory_reserved", 0)
reset_peak_memory_stats = reset_max_memory_allocated = _of_memory("reset_peak_memory_stats", None)
OutOfMemoryError = getattr(torch, "OutOfMemoryError", RuntimeError)


def memory_summary(*_, **__):
    return f"allocated: {memory_allocated()} bytes, at most {max_memory_allocated()}"


def init():
    """Nothing is to be started."""


ipc_collect = init


def is_initialized():
    return is_available()


def is_bf16_supported(*_, **__):
    return True


def get_rng_state(*_):
    return torch.xpu.get_rng_state() if _chosen() == "xpu" else torch.get_rng_state()


def set_rng_state(state, *_):
    torch.xpu.set_rng_state(state) if _chosen() == "xpu" else torch.set_rng_state(state)


def get_device_capability(index=None):
    """What the migrated kernels count as."""
    return 8, 0


def get_device_properties(index=None):
    if _chosen() == "xpu":
        return torch.xpu.get_device_properties(index)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return types.SimpleNamespace(name=get_device_name(), total_memory=memory, multi_processor_count=os.cpu_count(), major=8, minor=0)


class Event:
    """Times on the host's clock, after the work before them."""

    def __init__(self, enable_timing=False, **_):
        self._at = None

    def record(self, stream=None):
        synchronize()
        self._at = time.perf_counter()

    def synchronize(self):
        synchronize()

    def query(self):
        return True

    def elapsed_time(self, other):
        return (other._at - self._at) * 1e3


class nvtx:  # noqa: N801 (the original's name)
    """torch.cuda.nvtx: marks for a profiler that is not there."""

    @staticmethod
    def range_push(*_):
        return 0

    range_pop = mark = range_push

    @staticmethod
    @contextlib.contextmanager
    def range(*_, **__):
        yield


class Stream:
    """One queue in order: nothing to choose."""

    def __init__(self, *_, **__):
        pass

    def synchronize(self):
        synchronize()

    def wait_stream(self, other):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def current_stream(index=None):
    return Stream()


default_stream = current_stream


def stream(one):
    return one


class _Amp:
    """torch.cuda.amp, for the device."""

    @staticmethod
    def autocast(*args, **kwargs):
        return torch.autocast(device().type, *args, **kwargs)

    @staticmethod
    def custom_fwd(function=None, **kwargs):
        return torch.amp.custom_fwd(function, device_type=device().type, **kwargs)

    @staticmethod
    def custom_bwd(function=None, **kwargs):
        return torch.amp.custom_bwd(function, device_type=device().type, **kwargs)

    @staticmethod
    def GradScaler(*args, **kwargs):
        return torch.amp.GradScaler(device().type, *args, **kwargs)


amp = _Amp()
custom_fwd, custom_bwd, autocast, GradScaler = amp.custom_fwd, amp.custom_bwd, amp.autocast, amp.GradScaler


def _tensor_type(dtype):
    def make(*sizes_or_data):
        if len(sizes_or_data) == 1 and isinstance(sizes_or_data[0], torch.Size):
            sizes_or_data = tuple(sizes_or_data[0])
        if not sizes_or_data:
            sizes_or_data = (0,)
        if all(isinstance(s, int) for s in sizes_or_data):
            return torch.empty(sizes_or_data, dtype=dtype, device=device())
        return torch.tensor(sizes_or_data[0], dtype=dtype, device=device())
    return make


FloatTensor, DoubleTensor, HalfTensor = map(_tensor_type, (torch.float32, torch.float64, torch.float16))
BFloat16Tensor, BoolTensor = map(_tensor_type, (torch.bfloat16, torch.bool))
LongTensor, IntTensor, ShortTensor = map(_tensor_type, (torch.int64, torch.int32, torch.int16))
ByteTensor, CharTensor = map(_tensor_type, (torch.uint8, torch.int8))
