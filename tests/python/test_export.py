"""ONNX: the shipped model with the standard DeformConv operator gives the same heads in ONNX Runtime. OpenVINO: so it does there,
through the converter's own extensions."""

import dataclasses
import sys

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

sys.modules["openvino_telemetry"] = None  # its converter reports its use; tests touch no network
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
    with deform.using("torchvision"):
        assert export.main([str(MODEL), str(path)]) == 0
        assert deform.implementation("cpu") == "torchvision"  # an export leaves the caller's choice alone
    assert "image [N, 3, 64, 96]" in capsys.readouterr().out

    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 19)]  # nothing but standard operators
    assert sum(node.op_type == "DeformConv" for node in model.graph.node) == 3

    image = torch.randn(3, 3, 64, 96)  # another batch than the exported one
    network = network_of(state, small).eval()
    with torch.no_grad(), deform.using("sycl_dcn"):
        heads = network(image)
    results = runtime(path).run(["hm", "wh", "reg"], {"image": image.numpy()})
    for name, got in zip(("hm", "wh", "reg"), results):
        assert error(torch.from_numpy(got), heads[name]) < 1e-4, name

    assert export.main([str(MODEL), str(tmp_path / "model.xml")]) == 0
    in_openvino = on_openvino(tmp_path / "model.xml")({"image": image.numpy()})
    for name in ("hm", "wh", "reg"):
        assert error(torch.from_numpy(in_openvino[name]), heads[name]) < 1e-4, name


def on_openvino(model):
    """A model, or a file of one, ready to be called."""
    import openvino  # after sycl_dcn's operators: see share_tbb

    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})


class Layer(torch.nn.Module):
    """A convolution whose tensors are all inputs: x, offset, weight, and bias and mask where the case has them."""

    def __init__(self, case):
        super().__init__()
        self.case = case

    def forward(self, x, offset, weight, *rest):
        rest = list(rest)
        bias = rest.pop(0) if self.case.bias else None
        return sycl_dcn.deform_conv2d(x, offset, weight, bias, mask=rest.pop() if self.case.mask else None,
                                      **self.case.geometry())


def test_every_kind_of_convolution(tmp_path):
    import openvino

    # Without mask and bias; groups; stride and a flat kernel; depth-wise with a mask but no bias.
    cases = (CASES[1], CASES[3], CASES[4], dataclasses.replace(CASES[6], mask=True, bias=False))
    for i, case in enumerate(cases):
        *inputs, _ = tensors(case)
        present = tuple(t for t in inputs if t is not None)
        path = tmp_path / f"{i}.onnx"
        export.export_onnx(Layer(case), present, path)
        session = runtime(path)
        given = [t.numpy() for t in present]
        feed = dict(zip((v.name for v in session.get_inputs()), given, strict=True))
        got = torch.from_numpy(session.run(None, feed)[0])
        wanted = sycl_dcn.deform_conv2d(*inputs[:4], mask=inputs[4], **case.geometry())
        assert error(got, wanted) < 3e-5, case
        # OpenVINO from that file, and from PyTorch itself.
        exported = torch.export.export(Layer(case), present)
        for model in (path, exported):
            converted = openvino.convert_model(model, extension=export.openvino_extensions())
            assert "DeformableConvolution" in {node.get_type_name() for node in converted.get_ops()}
            got = torch.from_numpy(on_openvino(converted)(given)[0])
            assert error(got, wanted) < 3e-5, (case, model)


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "m.safetensors").write_bytes(b"nothing")
    assert export.main([str(tmp_path / "none.safetensors"), str(tmp_path / "m.onnx")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert export.main([str(tmp_path / "m.safetensors"), str(tmp_path / "m.onnx")]) == 1
    assert "m.safetensors: not a safetensors file" in capsys.readouterr().err
    assert export.main([str(MODEL), str(tmp_path / "model.pt")]) == 1 and not (tmp_path / "model.pt").exists()
    assert "model.pt: expected a name that ends in .onnx, or .xml" in capsys.readouterr().err
    with pytest.raises(Exception, match="deform_psroi_pool"):
        export.export_onnx(sycl_dcn.DCNv2Pooling(0.5, 3, 4, True), (torch.randn(1, 4, 8, 8), torch.zeros(1, 5)),
                           tmp_path / "p.onnx")
