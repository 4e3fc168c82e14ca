#!/usr/bin/env python3
"""Our deformable convolution beside everybody else's, in one process, in turn.

    bench/run                      everything: installs the peers, builds, measures, writes docs/
    bench/run --samples 5 --skip-network --out /tmp/try

First all implementations are given the same tensors and must give the same numbers. Then they run in turn, so that whatever
else the machine does hits all of them; medians are compared. Spinning threads of one library would slow down the next, so all
are told to sleep when they wait.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

for name, value in {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import network  # noqa: E402
import numpy as np  # noqa: E402
import ours  # noqa: E402
from common import LIMIT, OURS, SHAPES, name_of  # noqa: E402

TOLERANCE = 2e-4  # of the largest output: sums of up to 4608 products in fp32, in different orders


def tensors(batch, channels, outputs, height, width, seed=0):
    """NCHW, as a trained network has them: offsets of a pixel or so, masks after the sigmoid."""
    random = np.random.default_rng(seed)

    def normal(*shape):
        return random.standard_normal(shape, np.float32)

    return {"input": normal(batch, channels, height, width), "offset": normal(batch, 18, height, width),
            "mask": 1 / (1 + np.exp(-normal(batch, 9, height, width))),
            "weight": normal(outputs, channels, 3, 3) / np.float32((9 * channels) ** 0.5), "bias": normal(outputs)}


def nhwc(array):
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def make_ours(t, type="fp32"):
    work = ours.Deformable(nhwc(t["input"]), nhwc(t["offset"]), nhwc(t["mask"]), t["weight"], t["bias"], type)
    return work, lambda: work.output().transpose(0, 3, 1, 2)


def make_plain(t, type="fp32"):
    return ours.plain(nhwc(t["input"]), t["weight"], t["bias"], type), None


def make_torchvision(t):
    import torch
    from torchvision.ops import deform_conv2d
    torch.set_num_threads(os.cpu_count())
    on = {name: torch.from_numpy(array) for name, array in t.items()}
    result = []

    def run():
        with torch.inference_mode():
            result[:] = [deform_conv2d(on["input"], on["offset"], on["weight"], on["bias"], padding=1, mask=on["mask"])]

    return run, lambda: result[0].numpy()


OPENVINO_CONFIG = {"INFERENCE_NUM_THREADS": os.cpu_count(), "PERFORMANCE_HINT": "LATENCY",
                   "INFERENCE_PRECISION_HINT": "f32"}


def make_openvino(t):
    import openvino as ov
    from openvino import opset15 as ops
    parameters = [ops.parameter(t[name].shape, np.float32, name=name) for name in ("input", "offset", "mask")]
    node = ops.deformable_convolution(parameters[0], parameters[1], ops.constant(t["weight"]), [1, 1], [1, 1], [1, 1],
                                      [1, 1], mask=parameters[2], bilinear_interpolation_pad=True)
    node = ops.add(node, ops.constant(t["bias"].reshape(1, -1, 1, 1)))
    compiled = ov.Core().compile_model(ov.Model([node], parameters), "CPU", OPENVINO_CONFIG)
    request = compiled.create_infer_request()
    for parameter in parameters:
        name = parameter.friendly_name
        request.set_tensor(name, ov.Tensor(t[name], shared_memory=True))
    return request.infer, lambda: request.get_output_tensor().data


def onnx_session(model):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def make_onnxruntime(t):
    from onnx import TensorProto, helper, numpy_helper
    named = [helper.make_tensor_value_info(name, TensorProto.FLOAT, t[name].shape)
             for name in ("input", "offset", "mask")]
    node = helper.make_node("DeformConv", ["input", "weight", "offset", "bias", "mask"], ["output"],
                            kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "layer", named,
                              [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(t[name], name) for name in ("weight", "bias")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    session = onnx_session(model.SerializeToString())
    feed = {name: t[name] for name in ("input", "offset", "mask")}
    result = []

    def run():
        result[:] = session.run(None, feed)

    return run, lambda: result[0]


FORWARD = {OURS: make_ours, LIMIT: make_plain, "OpenVINO": make_openvino, "ONNX Runtime": make_onnxruntime,
           "torchvision": make_torchvision}


def make_training(kind):
    """Forward and backward with all gradients through PyTorch, channels last where the operator can."""

    def make(t):
        import torch
        torch.set_num_threads(os.cpu_count())
        on = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in t.items()}
        if kind != "torchvision":
            for name in ("input", "offset", "mask"):
                on[name] = on[name].detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        if kind == LIMIT:
            del on["offset"], on["mask"]

            def forward():
                return torch.nn.functional.conv2d(on["input"], on["weight"], on["bias"], padding=1)
        else:
            if kind == OURS:
                from sycl_dcn import deform_conv2d
            else:
                from torchvision.ops import deform_conv2d

            def forward():
                return deform_conv2d(on["input"], on["offset"], on["weight"], on["bias"], padding=1, mask=on["mask"])

        gradient = torch.ones_like(forward())

        def run():
            for tensor in on.values():
                tensor.grad = None
            forward().backward(gradient)

        return run, None if kind == LIMIT else lambda: np.concatenate(
            [(on[name].grad / on[name].grad.abs().max()).numpy().ravel() for name in t])

    return make


TRAINING = {kind: make_training(kind) for kind in (OURS, LIMIT, "torchvision")}


def timed(run):
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def measure(makers, given, samples, seconds=20.0):
    """{name: {median, p10, p90, samples}} in ms. A slow peer gets fewer samples, three at least."""
    work = {name: make(given) for name, make in makers.items()}
    for run, _ in work.values():
        run()
    outputs = {name: np.array(read()) for name, (_, read) in work.items() if read}
    for name, values in outputs.items():
        error = np.abs(values - outputs[OURS]).max() / np.abs(values).max()
        if not error < TOLERANCE:
            raise SystemExit(f"{name} and {OURS} differ by {error:.1e} of the largest output (allowed: {TOLERANCE})")
    cost = {name: timed(run) for name, (run, _) in work.items()}
    wanted = {name: max(3, min(samples, int(seconds * 1e3 / len(work) / ms))) for name, ms in cost.items()}
    times = {name: [] for name in work}
    for turn in range(samples):
        for name, (run, _) in work.items():
            if len(times[name]) * samples <= turn * wanted[name]:
                times[name].append(timed(run))
    return {name: summary(all) for name, all in times.items()}


def summary(times):
    return {"median": statistics.median(times), "p10": float(np.quantile(times, 0.1)), "p90": float(np.quantile(times, 0.9)),
            "samples": len(times)}


def progress(text):
    print(text, file=sys.stderr, flush=True)


def measure_layers(makers, samples, what):
    rows = []
    for number, (channels, outputs, side) in enumerate(SHAPES, 1):
        progress(f"[{number}/{len(SHAPES)}] {what} {name_of(channels, outputs, side)}")
        rows.append({"shape": name_of(channels, outputs, side),
                     "ms": measure(makers, tensors(1, channels, outputs, side, side), samples)})
    return rows


def measure_scaling(samples):
    """64 -> 64 channels by batch and by side."""
    makers = {name: FORWARD[name] for name in (OURS, LIMIT, "OpenVINO", "ONNX Runtime")}
    result = {"batch": [], "side": []}
    for batch in (1, 2, 4, 8):
        progress(f"scaling: batch {batch}")
        result["batch"].append({"x": batch, "ms": measure(makers, tensors(batch, 64, 64, 64, 64), samples, 8)})
    for side in (32, 64, 128, 256):
        progress(f"scaling: {side} x {side}")
        result["side"].append({"x": side, "ms": measure(makers, tensors(1, 64, 64, side, side), samples, 8)})
    return result


def measure_alone(samples):
    """Ours and the limit, with no other library at work in the process yet."""
    return {type: measure_layers({name: lambda t, make=make, type=type: make(t, type)
                                  for name, make in ((OURS, make_ours), (LIMIT, make_plain))}, samples, f"alone, {type},")
            for type in ("fp32", "bf16")}


def measure_memory():
    """Bytes of our plans by batch, and of the columns that im2col would hold."""
    rows = []
    for channels, outputs, side in SHAPES:
        for batch in (1, 4, 16):
            rows.append({"shape": name_of(channels, outputs, side), "batch": batch,
                         "columns": 4 * 9 * batch * channels * side * side, **ours.memory(batch, channels, outputs, side)})
    return rows


def measure_startup(runs=7):
    """Seconds of the whole program, from its start to written detections, everything cached; by input size."""
    program, images = ours.ROOT / "build/bin/centernet", ours.ROOT / "examples/images"
    found = {}
    for size in ("512x512", "768x768"):
        progress(f"start of the program, {size}")
        with tempfile.TemporaryDirectory() as folder:
            line = [program, "detect", images / "IMG_2588.jpg", "--model", ours.ROOT / "models/aquarium_resdcn18.safetensors",
                    "--input-size", size, "--device", "cpu", "--output", folder]
            times = [timed(lambda line=line: subprocess.run(line, check=True, capture_output=True)) / 1e3 for _ in range(runs + 1)]
        found[size] = summary(times[1:])
    return found


def measure_ceilings():
    """What the machine can do at best: a matrix product, and adding long vectors."""
    import torch
    torch.set_num_threads(os.cpu_count())
    side, length = 2048, 1 << 26
    a, b, c = (torch.ones(side, side) for _ in range(3))
    product = min(timed(lambda: torch.mm(a, b, out=c)) for _ in range(15))
    x, y, z = (torch.ones(length) for _ in range(3))
    added = min(timed(lambda: torch.add(x, y, out=z)) for _ in range(10))
    return {"gflops": 2 * side**3 / product * 1e-6, "gbytes": 3 * 4 * length / added * 1e-6}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=41, help="samples of each implementation and shape (default: 41)")
    parser.add_argument("--out", type=pathlib.Path, default=ours.ROOT / "docs",
                        help="folder for performance.json, performance.md's tables and the plots (default: docs)")
    parser.add_argument("--skip-network", action="store_true", help="without the whole network")
    parser.add_argument("--skip-training", action="store_true", help="without forward and backward")
    options = parser.parse_args()
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "versions": versions()}
    result["memory"] = measure_memory()
    result["startup"] = measure_startup()
    result["alone"] = measure_alone(options.samples)
    if not options.skip_network:
        result |= network.measure_alone(measure, max(5, options.samples // 4))
    result["ceilings"] = measure_ceilings()
    result["forward"] = measure_layers(FORWARD, options.samples, "forward")
    if not options.skip_training:
        result["training"] = measure_layers(TRAINING, max(5, options.samples // 2), "forward and backward")
    if not options.skip_network:
        result["network"] = network.measure(measure, max(5, options.samples // 4))
    result["scaling"] = measure_scaling(max(5, options.samples // 2))
    import report
    report.write(result, options.out)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return {"processor": model or platform.processor(), "cores": os.cpu_count()}


def versions():
    from importlib.metadata import version
    return {name: version(name) for name in ("torch", "torchvision", "openvino", "onnxruntime", "intel-sycl-rt", "onednn")
            if _installed(name)}


def _installed(name):
    import importlib.metadata
    try:
        importlib.metadata.version(name)
        return True
    except importlib.metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    main()
