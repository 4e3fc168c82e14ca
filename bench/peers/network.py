"""Whole networks: the same random weights, exported once for each peer. On the CPU, dla_34 at 512 x 512."""
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import ours
from common import LIMIT, OURS

SIDE, CLASSES = 512, 80
HEADS = {"hm": CLASSES, "wh": 2, "reg": 2}


def make_model(folder, arch="dla_34"):
    """ARCH.safetensors in `folder`, and PyTorch's module of the same weights."""
    import torch
    from sycl_dcn.train import export, networks
    torch.manual_seed(0)
    module = networks.build(arch, HEADS)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # else all variances are alike
            layer.running_var.uniform_(0.5, 1.5)
    file = folder / f"{arch}.safetensors"
    info = export.ModelInfo(arch, tuple(f"class {number}" for number in range(CLASSES)), (SIDE, SIDE))
    export.export(module.state_dict(), file, info)
    state, info = export.load(file)  # rounded to fp16, as the others see them
    return file, export.network_of(state, info).eval()


def heads_of(values):
    return np.concatenate([np.asarray(value).ravel() for value in values])


def measure_alone(measure_all, samples):
    """With no other library at work in the process yet: both networks beside themselves with plain convolutions and nothing that
    makes offsets; and the layers of each, one by one."""
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), np.float32)
    found = {"network_alone": {}, "layers": {}}
    for arch in ("dla_34", "resdcn_18"):
        with tempfile.TemporaryDirectory() as name:
            file, _ = make_model(pathlib.Path(name), arch)
            found["network_alone"][arch] = measure_all(
                {who: lambda _, plain=plain, file=file: (ours.Network(file, picture, plain=plain), None)
                 for who, plain in ((OURS, False), (LIMIT, True))}, None, samples, 120)
            report = subprocess.run([ours.ROOT / "build/bin/centernet", "inspect", file, "--profile", "--json", "--device", "cpu",
                                     "--input-size", f"{SIDE}x{SIDE}"], check=True, stdout=subprocess.PIPE).stdout
            found["layers"][arch] = [{key: layer[key] for key in ("name", "kind", "flops", "milliseconds")}
                                     for layer in json.loads(report)["layers"]]
    return found


def measure(measure_all, samples):
    """{name: times} through peers.measure, which also checks that all heads agree."""
    import onnxruntime  # noqa: F401
    import openvino
    import torch
    from sycl_dcn.export import export_detector
    from sycl_dcn.train import deform
    from peers import OPENVINO_CONFIG, onnx_session
    torch.set_num_threads(os.cpu_count())
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file, module = make_model(folder)
        for suffix in (".onnx", ".xml"):
            export_detector(file, file.with_suffix(suffix))
        onnx = folder / "dla_34.onnx"

        def make_ours(_):
            network = ours.Network(file, picture)
            return network, lambda: heads_of(network.head(*head) for head in HEADS.items())

        def make_plain(_):
            return ours.Network(file, picture, plain=True), None

        def make_onnxruntime(_):
            session = onnx_session(str(onnx))
            result = []

            def run():
                result[:] = session.run(None, {session.get_inputs()[0].name: picture})

            return run, lambda: heads_of(result)

        def make_openvino(_):
            core = openvino.Core()
            compiled = core.compile_model(str(folder / "dla_34.xml"), "CPU", OPENVINO_CONFIG)
            request = compiled.create_infer_request()
            request.set_input_tensor(openvino.Tensor(picture))
            return request.infer, lambda: heads_of(request.get_output_tensor(i).data for i in range(len(HEADS)))

        def make_torch(operator):
            image = torch.from_numpy(picture)
            result = {}

            def run():
                with torch.inference_mode(), deform.using(operator):
                    result.update(module(image))

            return run, lambda: heads_of(result[head] for head in HEADS)

        return measure_all({OURS: make_ours, LIMIT: make_plain, "OpenVINO": make_openvino, "ONNX Runtime": make_onnxruntime,
                            "PyTorch, torchvision": lambda _: make_torch("torchvision"),
                            "PyTorch, sycl_dcn": lambda _: make_torch("sycl_dcn")}, None, samples, 120)
