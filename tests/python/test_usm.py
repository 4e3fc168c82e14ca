"""Arrays of dpnp on queues of dpctl: memory and queues that are not ours, the way of PyTorch's XPU tensors. DLPack: memory that
comes without a queue, of a SYCL device or of the CPU."""

import os
import subprocess
import sys

import dpctl
import dpnp
import numpy as np
import pytest
import torch
import torchvision.ops

import sycl_dcn
from cases import CASES, error, load_parity, parity_error, run, tensors
from conftest import ROOT
from sycl_dcn import usm

QUEUES = {"out of order": dpctl.SyclQueue, "in order": lambda: dpctl.SyclQueue(property="in_order")}


def to_dpnp(tensor, queue, kind):
    return None if tensor is None else dpnp.asarray(tensor.numpy(), sycl_queue=queue, usm_type=kind)


def to_torch(array):
    return None if array is None else torch.from_numpy(dpnp.asnumpy(array))


@pytest.mark.parametrize("kind", ("device", "shared", "host"))
@pytest.mark.parametrize("order", QUEUES)
def test_equals_torchvision(order, kind):
    queue = QUEUES[order]()
    for case, dtype in ((CASES[0], torch.float32), (CASES[3], torch.float32), (CASES[1], torch.float64)):
        values = tensors(case, dtype)
        exact = [None if v is None else v.double() for v in values]
        wanted = run(torchvision.ops.deform_conv2d, case, exact)
        x, offset, weight, bias, mask, grad = (to_dpnp(v, queue, kind) for v in values)
        output = sycl_dcn.deform_conv2d(x, offset, weight, bias, mask=mask, **case.geometry())
        assert output.sycl_queue == queue and output.usm_type == kind
        doubled = output * 2
        grads = usm.deform_conv2d_backward(grad, x, offset, weight, mask=mask, **case.geometry())
        assert error(to_torch(doubled), 2 * wanted[0]) < 3e-5
        for got, exactly in zip(grads, (wanted[i] for i in (1, 2, 5, 3, 4))):
            assert (got is None) == (exactly is None) or got is not None
            if exactly is not None:
                assert error(to_torch(got), exactly) < 3e-5


def test_work_keeps_the_order_of_their_queue():
    """Long work of theirs before ours, and ours before theirs, again and again on an out-of-order queue."""
    queue = dpctl.SyclQueue()
    weight = dpnp.ones((1, 1, 1, 1), dtype="f4", sycl_queue=queue)
    offset = dpnp.zeros((1, 2, 256, 256), dtype="f4", sycl_queue=queue)
    x = dpnp.zeros((1, 1, 256, 256), dtype="f4", sycl_queue=queue)
    for _ in range(20):
        x = usm.deform_conv2d(x + 1, offset, weight)
    assert float(x.min()) == 20 and float(x.max()) == 20


def test_strides_are_used_in_place():
    queue = dpctl.SyclQueue()
    x, offset, weight, bias, mask, _ = tensors(CASES[0])
    wanted = sycl_dcn.deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    last = to_dpnp(x.permute(0, 2, 3, 1).contiguous(), queue, "device").transpose(0, 3, 1, 2)
    large = to_dpnp(torch.cat((offset, mask), 1), queue, "device")
    got = sycl_dcn.deform_conv2d(last, large[:, :18], to_dpnp(weight, queue, "device"), to_dpnp(bias, queue, "device"),
                                 padding=1, mask=large[:, 18:])
    assert torch.equal(to_torch(got), wanted)


def test_psroi_pooling_and_the_originals_numbers():
    queue = dpctl.SyclQueue()
    for case, a, wanted in list(load_parity("psroi"))[:4]:
        data, rois, trans, grad = (to_dpnp(a.get(k), queue, "device") for k in ("data", "rois", "trans", "grad_output"))
        numbers = (case["spatial_scale"], case["output_dim"], case["pooled_size"], case["group_size"], case["part_size"],
                   case["sample_per_part"], case["trans_std"])
        got = {"output": sycl_dcn.deform_psroi_pool(data, rois, trans, *numbers)}
        got["grad_data"], got["grad_trans"] = usm.deform_psroi_pool_backward(grad, data, rois, trans, *numbers)
        for name, array in got.items():
            if array is not None:
                assert parity_error(to_torch(array), wanted[name]) < 3e-5, (case["id"], name)


def test_half_types():
    queue = dpctl.SyclQueue()
    values = tensors(CASES[0], torch.float16)
    wanted = run(torchvision.ops.deform_conv2d, CASES[0], [v.double() for v in values])[0]
    x, offset, weight, bias, mask, _ = (to_dpnp(v, queue, "device") for v in values)
    got = usm.deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    assert got.dtype == np.float16 and error(to_torch(got), wanted) < 1e-3


def test_wrong_arrays_are_named():
    queue, other = dpctl.SyclQueue(), dpctl.SyclQueue(property="in_order")
    x, offset, weight, *_ = (to_dpnp(v, queue, "device") for v in tensors(CASES[1]))
    with pytest.raises(ValueError, match="offset: on another queue than input"):
        usm.deform_conv2d(x, dpnp.asarray(offset, sycl_queue=other), weight, padding=1)
    with pytest.raises(ValueError, match="offset: in memory of the CPU, expected a SYCL device as input"):
        usm.deform_conv2d(x, dpnp.asnumpy(offset), weight, padding=1)
    with pytest.raises(TypeError, match="offset: list, expected a torch.Tensor or an array with"):
        usm.deform_conv2d(x, [1, 2], weight, padding=1)
    with pytest.raises(TypeError, match="weight: type .i4, expected float32"):
        usm.deform_conv2d(x, offset, weight.astype("i4"), padding=1)
    with pytest.raises(RuntimeError, match="offset: 17 channels, expected 18"):
        usm.deform_conv2d(x, offset[:, :17], weight, padding=1)
    with pytest.raises(ValueError, match="input: 3 dimensions, expected 4"):
        usm.deform_conv2d(x[0], offset, weight, padding=1)


class Foreign:
    """An array of a library that nobody knows: DLPack is all that it has."""

    def __init__(self, array, device=None):
        self.array, self.device = array, device

    def __dlpack_device__(self):
        return self.device or self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("place", ("cpu", "sycl"))
def test_dlpack_alone(place):
    for case, dtype in ((CASES[0], torch.float32), (CASES[3], torch.float64), (CASES[1], torch.float16)):
        values = tensors(case, dtype)
        wanted = run(torchvision.ops.deform_conv2d, case, [None if v is None else v.double() for v in values])
        made = [None if v is None else v.numpy() if place == "cpu" else dpnp.asarray(v.numpy()) for v in values]
        x, offset, weight, bias, mask, grad = (None if v is None else Foreign(v) for v in made)
        output = sycl_dcn.deform_conv2d(x, offset, weight, bias, mask=mask, **case.geometry())
        assert type(output) is (np.ndarray if place == "cpu" else dpnp.ndarray) and output.dtype == made[0].dtype
        grads = usm.deform_conv2d_backward(grad, x, offset, weight, mask=mask, **case.geometry())
        for got, exactly in zip((output, *grads), (wanted[i] for i in (0, 1, 2, 5, 3, 4))):
            if got is not None and exactly is not None:
                got = torch.from_numpy(got) if place == "cpu" else to_torch(got)
                assert error(got, exactly) < (1e-3 if dtype == torch.float16 else 3e-5)


def test_dlpack_copies_nothing():
    """Slices with gaps of a NumPy array, and memory of a SYCL device beside an array that has a queue."""
    x, offset, weight, _, mask, _ = tensors(CASES[0])
    wanted = sycl_dcn.deform_conv2d(x, offset, weight, padding=1, mask=mask)
    large = np.full((2, 9, 8, 18), np.nan, np.float32)
    inner = large[:, 1:, 1:, ::2]
    inner[...] = x.numpy()
    got = sycl_dcn.deform_conv2d(inner, offset, weight.numpy(), padding=1, mask=Foreign(mask.numpy()))
    assert torch.equal(torch.from_numpy(got), wanted)

    queue = dpctl.SyclQueue(property="in_order")
    theirs = to_dpnp(offset, queue, "device")
    adopted, on = usm._gather(input=to_dpnp(x, queue, "device"), offset=Foreign(theirs))
    assert on == queue and adopted["offset"].sycl_queue == queue
    where = [a.__sycl_usm_array_interface__["data"][0] for a in (theirs, adopted["offset"])]
    assert where[0] == where[1]
    got = sycl_dcn.deform_conv2d(Foreign(to_dpnp(x, queue, "device")), Foreign(theirs), to_dpnp(weight, queue, "device"),
                                 padding=1, mask=Foreign(to_dpnp(mask, queue, "shared")))
    assert got.sycl_queue == queue and torch.equal(to_torch(got), wanted)


def test_psroi_pooling_of_dlpack():
    case, a, wanted = next(iter(load_parity("psroi")))
    data, rois, trans, grad = (Foreign(a[k].numpy()) if k in a else None for k in ("data", "rois", "trans", "grad_output"))
    numbers = (case["spatial_scale"], case["output_dim"], case["pooled_size"], case["group_size"], case["part_size"],
               case["sample_per_part"], case["trans_std"])
    got = {"output": sycl_dcn.deform_psroi_pool(data, rois, trans, *numbers)}
    got["grad_data"], got["grad_trans"] = usm.deform_psroi_pool_backward(grad, data, rois, trans, *numbers)
    for name, array in got.items():
        if array is not None:
            assert parity_error(torch.from_numpy(array), wanted[name]) < 3e-5, name


def test_wrong_dlpack_is_named():
    x, offset, weight, *_ = tensors(CASES[1])
    with pytest.raises(TypeError, match="weight: memory of DLPack's device type 2, expected a SYCL device .14. or the CPU .1."):
        usm.deform_conv2d(Foreign(x), offset, Foreign(weight, (2, 0)), padding=1)
    with pytest.raises(TypeError, match="input: Tensor, which numpy.from_dlpack refuses"):
        usm.deform_conv2d(x.bfloat16(), offset, weight, padding=1)
    with pytest.raises(TypeError, match="weight: type <i4, expected float32"):
        usm.deform_conv2d(Foreign(x), offset, weight.int(), padding=1)
    with pytest.raises(RuntimeError, match="offset: 17 channels, expected 18"):
        usm.deform_conv2d(x.numpy(), offset[:, :17], weight, padding=1)
    with pytest.raises(ValueError, match="weight: in memory of a SYCL device, expected the CPU as input"):
        usm.deform_conv2d(x.numpy(), offset, dpnp.asarray(weight.numpy()), padding=1)


def test_pytorch_is_not_needed():
    code = ("import sys, dpnp, numpy; from sycl_dcn import usm; "
            "assert usm.deform_conv2d(*(numpy.ones(s, 'f4') for s in ((1, 1, 4, 4), (1, 18, 4, 4), (1, 1, 3, 3))), "
            "padding=1)[0, 0, 0, 0] == 9; "
            "print(float(usm.deform_conv2d(dpnp.ones((1, 1, 4, 4), dtype='f4'), dpnp.zeros((1, 18, 4, 4), dtype='f4'), "
            "dpnp.ones((1, 1, 3, 3), dtype='f4'), padding=1)[0, 0, 1, 1]), 'torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    assert done.stdout.strip() == "9.0 False", done.stderr[-1000:]
