"""ONNX: the shipped model with the standard DeformConv operator gives the same heads in ONNX Runtime."""

import onnx
import onnxruntime
import pytest
import torch

import sycl_dcn
from cases import CASES, error, tensors
from conftest import ROOT
from sycl_dcn import export
from sycl_dcn.train import deform
from sycl_dcn.train.export import load, network_of

MODEL = ROOT / "models" / "aquarium_resdcn18.safetensors"


def runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def test_the_shipped_model_in_onnx_runtime(tmp_path, monkeypatch, capsys):
    torch.set_num_threads(1)
    state, info = load(MODEL)
    small = type(info)(info.arch, info.labels, (64, 96))
    monkeypatch.setattr("sycl_dcn.train.export.load", lambda path: (state, small))
    path = tmp_path / "model.onnx"
    assert export.main([str(MODEL), str(path)]) == 0
    assert "image [N, 3, 64, 96]" in capsys.readouterr().out

    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 19)]  # nothing but standard operators
    assert sum(node.op_type == "DeformConv" for node in model.graph.node) == 3

    image = torch.randn(3, 3, 64, 96)  # another batch than the exported one
    network = network_of(state, small).eval()
    deform.set_implementation("sycl_dcn")
    with torch.no_grad():
        heads = network(image)
    results = runtime(path).run(["hm", "wh", "reg"], {"image": image.numpy()})
    for name, got in zip(("hm", "wh", "reg"), results):
        assert error(torch.from_numpy(got), heads[name]) < 1e-4, name


def test_every_kind_of_convolution(tmp_path):
    class Layer(torch.nn.Module):
        def __init__(self, case):
            super().__init__()
            self.case = case

        def forward(self, x, offset, weight, bias, mask):
            return sycl_dcn.deform_conv2d(x, offset, weight, bias, mask=mask, **self.case.geometry())

    for i in (3, 4, 6):  # groups; stride and a flat kernel; depth-wise without mask
        case = CASES[i]
        *inputs, _ = tensors(case)
        path = tmp_path / f"{i}.onnx"
        export.export_onnx(Layer(case), tuple(inputs), path)
        session = runtime(path)
        given = [t.numpy() for t in inputs if t is not None]
        feed = dict(zip((v.name for v in session.get_inputs()), given, strict=True))
        got = torch.from_numpy(session.run(None, feed)[0])
        wanted = sycl_dcn.deform_conv2d(*inputs[:4], mask=inputs[4], **case.geometry())
        assert error(got, wanted) < 3e-5, case


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "m.safetensors").write_bytes(b"nothing")
    assert export.main([str(tmp_path / "none.safetensors"), str(tmp_path / "m.onnx")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    with pytest.raises(Exception, match="deform_psroi_pool"):
        export.export_onnx(sycl_dcn.DCNv2Pooling(0.5, 3, 4, True), (torch.randn(1, 4, 8, 8), torch.zeros(1, 5)),
                           tmp_path / "p.onnx")
