"""Modules and functions of DCNv2, torchvision and mmcv: numbers, parameter names, old state dicts; old code's imports."""

import inspect
import json
import os
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torchvision.ops
from torch import nn

import sycl_dcn
import sycl_dcn.mmcv
from cases import error
from conftest import ROOT
from sycl_dcn._soft_nms import soft_nms


@pytest.fixture
def made_there(device):
    """Tensors and modules that a test makes are on the device."""
    with torch.device(device):
        yield device


def plain(layer, x):
    """A new layer has zero offsets and a mask of one half: half a plain convolution, plus bias."""
    y = nn.functional.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation,
                             getattr(layer, "groups", 1))
    bias = getattr(layer, "bias", None)
    return y, 0 if bias is None else bias[:, None, None]


# DCNv2


def test_dcn_begins_as_half_a_convolution(made_there):
    layer = sycl_dcn.DCN(6, 4, kernel_size=(3, 3), stride=2, padding=1, deformable_groups=2)
    x = torch.randn(2, 6, 9, 11)
    y, bias = plain(layer, x)
    assert error(layer(x), y / 2 + bias) < 1e-5
    assert list(layer.state_dict()) == ["weight", "bias", "conv_offset_mask.weight", "conv_offset_mask.bias"]
    assert layer.conv_offset_mask.weight.shape == (54, 6, 3, 3)


def test_dcn_splits_its_convolution_as_dcnv2_does(made_there):
    torch.manual_seed(0)
    layer = sycl_dcn.DCN(4, 5, 3, 1, 1, deformable_groups=2)
    nn.init.normal_(layer.conv_offset_mask.weight, std=0.2)
    nn.init.normal_(layer.conv_offset_mask.bias)
    x = torch.randn(2, 4, 6, 7)
    first, second, mask = torch.chunk(layer.conv_offset_mask(x), 3, dim=1)
    offset = torch.cat((first, second), dim=1)
    wanted = torchvision.ops.deform_conv2d(x, offset, layer.weight, layer.bias, padding=1, mask=mask.sigmoid())
    assert error(layer(x), wanted) < 3e-5
    explicit = sycl_dcn.DCNv2(4, 5, 3, 1, 1, deformable_groups=2)
    explicit.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    assert torch.equal(explicit(x, offset, mask.sigmoid()), layer(x))


def test_pooling_modules(made_there):
    torch.manual_seed(0)
    x, rois = torch.randn(2, 4, 12, 10), torch.tensor([[0.0, 1, 2, 30, 33], [1, 8, 8, 35, 24]])
    layer = sycl_dcn.DCNPooling(0.25, 3, 4, no_trans=False, trans_std=0.1, deform_fc_dim=16)
    assert list(layer.state_dict()) == [f"offset_mask_fc.{i}.{p}" for i in (0, 2, 4) for p in ("weight", "bias")]
    fixed = sycl_dcn.DCNv2Pooling(0.25, 3, 4, no_trans=True, trans_std=0.1)
    flat = fixed(x, rois, x.new_empty(0))
    assert error(layer(x, rois), flat / 2) < 1e-6  # zero offsets and a mask of one half
    nn.init.normal_(layer.offset_mask_fc[4].weight)
    first, second, mask = torch.chunk(layer.offset_mask_fc(flat.flatten(1)).view(2, 3, 3, 3), 3, dim=1)
    moving = sycl_dcn.DCNv2Pooling(0.25, 3, 4, no_trans=False, trans_std=0.1)
    wanted = moving(x, rois, torch.cat((first, second), 1)) * mask.sigmoid()
    assert error(layer(x, rois), wanted) < 1e-6
    assert error(wanted, flat * mask.sigmoid()) > 1e-3  # the offsets do something
    layer(x, rois).sum().backward()
    assert layer.offset_mask_fc[0].weight.grad.abs().sum() > 0


def test_pooling_takes_rois_of_half_types_in_full():
    x = torch.randn(1, 2, 64, 64).half()
    rois = torch.tensor([[0.0, 11.0, 7.0, 201.0, 150.0]])
    full = sycl_dcn.dcn_v2_pooling(x, rois, None, 0.25, 3, 2, True)
    assert torch.equal(sycl_dcn.dcn_v2_pooling(x, rois.half(), None, 0.25, 3, 2, True), full)
    assert error(full, sycl_dcn.dcn_v2_pooling(x.double(), rois.double(), None, 0.25, 3, 2, True)) < 1e-3


# torchvision


def test_torchvisions_signature_and_module(made_there):
    theirs = inspect.signature(torchvision.ops.deform_conv2d).parameters
    ours = inspect.signature(sycl_dcn.deform_conv2d).parameters
    assert [(p.name, p.default, p.kind) for p in theirs.values()] == [(p.name, p.default, p.kind) for p in ours.values()]
    theirs = inspect.signature(torchvision.ops.DeformConv2d).parameters
    ours = inspect.signature(sycl_dcn.DeformConv2d).parameters
    assert [(p.name, p.default) for p in theirs.values()] == [(p.name, p.default) for p in ours.values()]
    for kwargs in ({}, {"groups": 2, "bias": False, "stride": (2, 1), "dilation": 2, "padding": 2}):
        torch.manual_seed(5)
        a = torchvision.ops.DeformConv2d(4, 6, 3, **kwargs)
        torch.manual_seed(5)
        b = sycl_dcn.DeformConv2d(4, 6, 3, **kwargs)
        assert list(a.state_dict()) == list(b.state_dict())
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))  # initial values, too
        b.load_state_dict(a.state_dict())
        x = torch.randn(2, 4, 9, 8)
        size = torch.nn.functional.conv2d(x, a.weight, None, a.stride, a.padding, a.dilation, a.groups).shape[2:]
        offset, mask = torch.randn(2, 18, *size), torch.rand(2, 9, *size)
        for m in (mask, None):
            assert error(b(x, offset, m), a(x, offset, m)) < 3e-5
        assert repr(b).count("kernel_size=(3, 3)") == 1


# mmcv


def test_mmcv_modules(made_there):
    torch.manual_seed(0)
    x = torch.randn(33, 4, 7, 6)  # a batch that mmcv's im2col_step would refuse
    layer = sycl_dcn.mmcv.DeformConv2dPack(4, 6, 3, padding=1, deform_groups=2, im2col_step=32)
    assert list(layer.state_dict()) == ["weight", "conv_offset.weight", "conv_offset.bias"]
    assert error(layer(x), plain(layer, x)[0]) < 1e-5
    nn.init.normal_(layer.conv_offset.weight, std=0.1)
    offset = layer.conv_offset(x)
    wanted = torchvision.ops.deform_conv2d(x, offset, layer.weight, padding=1)
    assert error(layer(x), wanted) < 3e-5
    inner = sycl_dcn.mmcv.DeformConv2d(4, 6, 3, padding=1, deformable_groups=2)
    inner.load_state_dict({"weight": layer.weight})
    assert torch.equal(inner(x, offset), layer(x))
    with pytest.raises(ValueError, match="bias: True"):
        sycl_dcn.mmcv.DeformConv2d(4, 6, 3, bias=True)

    layer = sycl_dcn.mmcv.ModulatedDeformConv2dPack(4, 6, 3, padding=2, dilation=2, groups=2, deform_groups=2)
    assert list(layer.state_dict()) == ["weight", "bias", "conv_offset.weight", "conv_offset.bias"]
    y, bias = plain(layer, x)
    assert error(layer(x), y / 2 + bias) < 1e-5
    nn.init.normal_(layer.conv_offset.weight, std=0.1)
    first, second, mask = torch.chunk(layer.conv_offset(x), 3, dim=1)
    wanted = torchvision.ops.deform_conv2d(x, torch.cat((first, second), 1), layer.weight, layer.bias, padding=2,
                                           dilation=2, mask=mask.sigmoid())
    assert error(layer(x), wanted) < 3e-5
    assert sycl_dcn.mmcv.ModulatedDeformConv2d(4, 6, 3, bias=False).bias is None


def test_mmcv_pictures_smaller_than_the_kernel(made_there):
    layer = sycl_dcn.mmcv.DeformConv2d(2, 3, 5, padding=2)
    x, offset = torch.randn(1, 2, 3, 4), torch.zeros(1, 50, 3, 4)
    assert error(layer(x, offset), nn.functional.conv2d(x, layer.weight, padding=2)) < 1e-5


def test_mmcv_types_follow_the_offset(made_there):
    x, weight = torch.randn(1, 4, 6, 6), torch.randn(4, 4, 3, 3)
    offset, mask = torch.randn(1, 18, 6, 6).half(), torch.rand(1, 9, 6, 6)
    assert sycl_dcn.mmcv.modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1).dtype == torch.float16
    assert sycl_dcn.mmcv.deform_conv2d(x, offset, weight, 1, 1).dtype == torch.float16


@pytest.mark.parametrize("kind", ("DeformConv2dPack", "ModulatedDeformConv2dPack"))
def test_mmcv_state_dicts_of_the_first_version(kind):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv2 = getattr(sycl_dcn.mmcv, kind)(4, 4, 3, padding=1)

    new = Network().state_dict()
    old = OrderedDict((k.replace("conv2.conv_offset.", "conv2_offset."), torch.randn_like(v)) for k, v in new.items())
    network = Network()
    network.load_state_dict(sycl_dcn.mmcv.upgrade_state_dict(old))
    assert torch.equal(network.conv2.conv_offset.weight, old["conv2_offset.weight"])
    seen = dict(old)  # mmengine's loader shows each layer the whole dict, before the layer's own convolution
    Network().conv2._load_from_state_dict(seen, "conv2.", {}, True, [], [], [])
    assert seen.keys() == new.keys()
    current = Network().state_dict()
    assert current._metadata["conv2"]["version"] == 2
    network.load_state_dict(current)
    assert sycl_dcn.mmcv.upgrade_state_dict(current) == current
    with pytest.raises(RuntimeError, match="Missing key"):
        broken = Network().state_dict()
        del broken["conv2.conv_offset.weight"]
        Network().load_state_dict(broken)


# Old code

OLD_CODE = {
    "project/__init__.py": "",
    "project/networks/__init__.py": "",
    # The file that the original ships, and that cannot be imported any more.
    "project/networks/DCNv2/__init__.py": "",
    "project/networks/DCNv2/dcn_v2.py": "from torch.utils.ffi import create_extension",
    # Its extension, which no compiler of today takes; and the same where somebody got it built.
    "external/__init__.py": "",
    "external/nms.pyx": "",
    "built/external/__init__.py": "",
    "built/external/nms.py": "soft_nms = 'theirs'",
    "project/networks/pose.py": "from .DCNv2.dcn_v2 import DCN\nfrom .DCNv2.dcn_v2_func import DCNv2Function\n",
    "main.py": """
import sycl_dcn
sycl_dcn.install()
sycl_dcn.install()
import torch
import dcn_v2
import DCNv2
import _ext
from DCNv2.dcn_v2 import DCN, DCNv2 as Layer, dcn_v2_conv, DCNPooling
from dcn_v2 import DCNv2Pooling, dcn_v2_pooling
import project.networks.pose as pose
assert pose.DCN is DCN is sycl_dcn.DCN is dcn_v2.DCN is DCNv2.DCN
torch.manual_seed(0)
x, offset, mask = torch.randn(2, 4, 6, 5), torch.randn(2, 18, 6, 5), torch.rand(2, 9, 6, 5)
weight, bias, grad = torch.randn(3, 4, 3, 3), torch.randn(3), torch.randn(2, 3, 6, 5)
inputs = [t.requires_grad_() for t in (x, offset, mask, weight, bias)]
y = dcn_v2_conv(*inputs, 1, 1, 1, 1)
wanted = torch.autograd.grad(y, inputs, grad)
with torch.no_grad():
    assert torch.equal(_ext.dcn_v2_forward(x, weight, bias, offset, mask, 3, 3, 1, 1, 1, 1, 1, 1, 1), y)
    got = _ext.dcn_v2_backward(x, weight, bias, offset, mask, grad, 3, 3, 1, 1, 1, 1, 1, 1, 1)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, wanted))
    assert torch.equal(pose.DCNv2Function(1, 1, 1, 1)(x, offset, mask, weight, bias), y)
    rois, trans = torch.tensor([[0.0, 1, 1, 9, 8]]), torch.randn(1, 2, 3, 3)
    numbers = (0, 0.5, 4, 1, 3, 3, 2, 0.1)
    pooled, count = _ext.dcn_v2_psroi_pooling_forward(x, rois, trans, *numbers)
    assert torch.equal(pooled, dcn_v2_pooling(x, rois, trans, 0.5, 3, 4, False, 1, 3, 2, 0.1))
    a, b = _ext.dcn_v2_psroi_pooling_backward(torch.ones_like(pooled), x, rois, trans, count, *numbers)
    assert a.shape == x.shape and b.shape == trans.shape and count.max() == 4
torch.cuda.synchronize()  # as its detectors do on the CPU
import numpy as np
from external.nms import soft_nms, soft_nms_39
boxes = np.float32([[0, 0, 9, 9, 0.5], [0, 0, 9, 9, 0.9]])
assert soft_nms(boxes, Nt=0.5, method=2) == [0, 1] and np.allclose(boxes[:, 4], [0.9, 0.5 * np.exp(-2)])
import os, sys
for name in ("external", "external.nms"):
    del sys.modules[name]
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "built"))
from external.nms import soft_nms
assert soft_nms == "theirs"
import json, torchvision  # other imports are not touched
print("fine")
""",
}


def test_old_code_runs_after_install(tmp_path):
    for name, text in OLD_CODE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    run = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, timeout=120,
                         env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    assert run.stdout.strip() == "fine", run.stderr[-2000:]


def test_soft_nms_equals_the_originals_in_every_row():
    ops = ROOT / "tests" / "data" / "parity" / "ops"
    reference = np.load(ops / "softnms_ref.npz")
    cases = json.loads((ops / "softnms_cases.json").read_text())["cases"]
    assert {case["columns"] for case in cases} == {5, 39} and {case["method"] for case in cases} == {0, 1, 2}
    for case in cases:
        rows = reference[f"{case['case']}/in"].copy()
        kept = soft_nms(rows, case["sigma"], case["Nt"], case["threshold"], case["method"])
        assert kept == list(range(case["kept"])), case
        assert np.array_equal(rows, reference[f"{case['case']}/out"]), case
    with pytest.raises(ValueError, match=r"boxes: float64 \[2, 5\], expected float32"):
        soft_nms(np.zeros((2, 5)))
