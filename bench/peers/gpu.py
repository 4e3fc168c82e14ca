#!/usr/bin/env python3
"""Our deformable convolution on a CUDA device beside cuDNN's plain convolution, torchvision's CUDA operator and deformops.

    bench/gpu                             everything; writes docs/
    bench/gpu --batch 1 --out /tmp/try
    bench/gpu --parts operators           through PyTorch; needs PyTorch for CUDA, torchvision, sycl_dcn, the oneAPI plugin for
                                          NVIDIA GPUs, and measures deformops if it is installed
    bench/gpu --parts plans,networks      the C++ plans, and whole CenterNets beside PyTorch's with torchvision's operator; both
                                          need the library that bench/run builds, or DCN_BENCH_LIBRARY with its name

All get the same tensors and must give the same numbers first. Then they run in turn, several calls back to back each time, as
torchvision's kernels launch on the default stream, which a CUDA graph would leave out. Medians are compared; the spread is
that of the middle half. "device" is the time of the kernels alone, by PyTorch's profiler: small layers wait for the host.
"""
import argparse
import datetime
import json
import pathlib
import statistics
import sys
import time

import torch
import torchvision

import report
import sycl_dcn
from common import LIMIT, OURS, SHAPES, name_of

#: Of the largest value: what rounding the result to the type costs, and torchvision's positions in that type.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-2, torch.bfloat16: 5e-2}
NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
CALLS = 10  # back to back in one sample


def tensors(batch, channels, outputs, side, dtype):
    torch.manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, device="cuda")

    made = {"input": normal(batch, channels, side, side), "offset": normal(batch, 18, side, side),
            "mask": torch.sigmoid(normal(batch, 9, side, side)),
            "weight": normal(outputs, channels, 3, 3) / (9 * channels) ** 0.5, "bias": normal(outputs)}
    made = {name: value.to(dtype) for name, value in made.items()}
    made["input"] = made["input"].to(memory_format=torch.channels_last)
    return made


def makers():
    """Name -> (t -> output)."""
    made = {
        OURS: lambda t: sycl_dcn.deform_conv2d(t["input"], t["offset"], t["weight"], t["bias"], padding=1, mask=t["mask"]),
        LIMIT: lambda t: torch.nn.functional.conv2d(t["input"], t["weight"], t["bias"], padding=1),
        "torchvision": lambda t: torchvision.ops.deform_conv2d(t["input"], t["offset"], t["weight"], t["bias"], padding=1,
                                                               mask=t["mask"]),
    }
    try:
        from deformops.registry import conv

        def deformops(t):  # its own layout, without copies
            image, offset, mask = (t[name].permute(0, 2, 3, 1) for name in ("input", "offset", "mask"))
            return conv(image, offset.unflatten(-1, (1, 9, 2)), t["weight"], bias=t["bias"], mask=mask.unflatten(-1, (1, 9)),
                        padding=1).permute(0, 3, 1, 2)

        made["deformops"] = deformops
    except ImportError:
        print("deformops is not installed: left out", file=sys.stderr)
    return made


def layouts(t, name):
    """All read channels_last but torchvision, whose fastest layout is NCHW."""
    if name != "torchvision":
        t = dict(t)
        t["weight"] = t["weight"].contiguous(memory_format=torch.channels_last) if name == LIMIT else t["weight"]
        t["offset"] = t["offset"].contiguous(memory_format=torch.channels_last)
        t["mask"] = t["mask"].contiguous(memory_format=torch.channels_last)
        return t
    return {key: value.contiguous() for key, value in t.items()}


def forward(make, t):
    def run():
        with torch.no_grad():
            return make(t)
    return run


def training(make, t, grad):
    leaves = {name: value.detach().clone().requires_grad_() for name, value in t.items()}

    def run():
        for leaf in leaves.values():
            leaf.grad = None
        make(leaves).backward(grad)
    return run


def measure(works, samples):
    """Name -> microseconds of each sample."""
    times = {name: [] for name in works}
    for work in works.values():
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    for _ in range(samples):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                work()
            torch.cuda.synchronize()
            times[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return times


def device_time(work):
    """Microseconds that the device works for one call."""
    work()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(CALLS):
            work()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profile.key_averages()) / CALLS


def run_all(works, samples):
    """Name -> median, spread and device time."""
    found = {name: summary(times) for name, times in measure(works, samples).items()}
    for name, work in works.items():
        found[name]["device_us"] = device_time(work)
    return found


def check(made, t, dtype):
    """All implementations give the numbers of fp32 arithmetic; returns each one's error, as part of the largest value."""
    exact = torchvision.ops.deform_conv2d(*(t[k].float().contiguous() for k in ("input", "offset", "weight", "bias")),
                                          padding=1, mask=t["mask"].float().contiguous())
    errors = {}
    for name, make in made.items():
        if name == LIMIT:
            continue
        try:
            error = ((make(layouts(t, name)).float() - exact).abs().max() / exact.abs().max()).item()
        except (RuntimeError, NotImplementedError) as problem:
            print(f"{name} does not run in {NAMES[dtype]}: {problem}".splitlines()[0], file=sys.stderr)
            continue
        errors[name] = error
        if not error <= TOLERANCE[dtype]:
            raise SystemExit(f"{name} is wrong: {error:.2e} of the largest value, {NAMES[dtype]}")
    return errors


def summary(times):
    quartiles = statistics.quantiles(times, n=4)
    return {"median_us": statistics.median(times), "spread_us": quartiles[2] - quartiles[0]}


def ceilings():
    """TFLOP/s of large matrix products in fp16, and TB/s of adding long vectors."""
    def best(work):
        return min(measure({"": work}, 5)[""])

    a, b = (torch.ones(8192, 8192, device="cuda", dtype=torch.half) for _ in range(2))
    x, y = (torch.ones(1 << 28, device="cuda") for _ in range(2))
    z = torch.empty_like(x)
    return {"fp16_tflops": 2 * 8192**3 / best(lambda: a @ b) * 1e-6,
            "tbytes": 3 * x.nbytes / best(lambda: torch.add(x, y, out=z)) * 1e-6}


def run_operators(batch, samples, types, with_training):
    made = makers()
    results = []
    for dtype in types:
        for channels, outputs, side in SHAPES:
            t = tensors(batch, channels, outputs, side, dtype)
            errors = check(made, t, dtype)
            running = {n: m for n, m in made.items() if n == LIMIT or n in errors}
            result = {"type": NAMES[dtype], "shape": name_of(channels, outputs, side), "errors": errors}
            works = {n: forward(m, layouts(t, n)) for n, m in running.items()}
            result["forward"] = run_all(works, samples)
            if with_training:
                grad = torch.randn(batch, outputs, side, side, device="cuda").to(dtype)
                grads = {n: grad if n == "torchvision" else grad.contiguous(memory_format=torch.channels_last)
                         for n in running}
                works = {n: training(m, layouts(t, n), grads[n]) for n, m in running.items()}
                result["training"] = run_all(works, max(3, samples // 3))
            results.append(result)
            print(json.dumps(result), file=sys.stderr, flush=True)
    return results


def run_plans(batch):
    """The C++ plan, which packs its weights once: the best of five times twenty runs back to back, and cuDNN in the same way."""
    import ours

    def best(run, calls=20):
        run()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            run(calls)
            times.append((time.perf_counter() - start) / calls * 1e6)
        return min(times)

    results = []
    for kind, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16), ("tf32", torch.float32), ("fp32", torch.float32)):
        torch.backends.cudnn.allow_tf32 = kind == "tf32"
        for channels, outputs, side in SHAPES:
            t = layouts(tensors(batch, channels, outputs, side, dtype), LIMIT)
            activations = (t[name].float().cpu().permute(0, 2, 3, 1).contiguous().numpy() for name in ("input", "offset", "mask"))
            weights = (t[name].float().cpu().contiguous().numpy() for name in ("weight", "bias"))
            plan = ours.Deformable(*activations, *weights, type=kind, device="cuda")

            def plain(calls=1, t=t):
                with torch.no_grad():
                    for _ in range(calls):
                        torch.nn.functional.conv2d(t["input"], t["weight"], t["bias"], padding=1)
                torch.cuda.synchronize()

            results.append({"type": kind, "shape": name_of(channels, outputs, side), OURS: best(plan), LIMIT: best(plain)})
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    torch.backends.cudnn.allow_tf32 = False
    return results


def run_networks(batches, samples):
    """resdcn_18 and dla_34 at 512 x 512 with random weights: ours beside PyTorch's, heads compared first."""
    import tempfile

    import network
    import numpy as np
    import ours
    from sycl_dcn.train import deform
    results = []
    for arch in ("resdcn_18", "dla_34"):
        with tempfile.TemporaryDirectory() as name:
            file, module = network.make_model(pathlib.Path(name), arch)
            module = module.cuda().to(memory_format=torch.channels_last)
            for batch in batches:
                picture = np.random.default_rng(0).standard_normal((batch, 3, network.SIDE, network.SIDE), np.float32)
                image = torch.from_numpy(picture).cuda().to(memory_format=torch.channels_last)
                for kind, bf16 in (("fp32", False), ("bf16", True)):
                    work = ours.Network(file, picture, device="cuda", bf16=bf16)
                    heads = {}

                    def peer(bf16=bf16, image=image, heads=heads):
                        with torch.inference_mode(), deform.using("torchvision"), torch.autocast("cuda", torch.bfloat16, enabled=bf16):
                            heads.update(module(image))

                    peer()
                    work()
                    difference = max(
                        float(np.abs(work.head(head, channels) - heads[head].float().cpu().numpy()).max() /
                              heads[head].float().abs().max().item()) for head, channels in network.HEADS.items())
                    limit = TOLERANCE[torch.bfloat16 if bf16 else torch.float32]
                    if not difference <= limit:
                        raise SystemExit(f"{arch}, {kind}: heads differ by {difference:.2e} of their largest value")
                    found = {who: summary(times) for who, times in measure({OURS: work, "PyTorch": peer}, samples).items()}
                    results.append({"network": arch, "type": kind, "batch": batch, "difference": difference, **found})
                    print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    return results


PARTS = ("operators", "plans", "networks")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="(default: %(default)s); networks are measured with batch 1 as well")
    parser.add_argument("--samples", type=int, default=15, help="of each implementation and shape (default: %(default)s)")
    parser.add_argument("--types", default="fp16,bf16,fp32", help="of the operators, comma-separated (default: %(default)s)")
    parser.add_argument("--skip-training", action="store_true", help="operators forward only")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "docs",
                        help="folder for performance/gpu-DATE.json and the tables of performance.md (default: docs)")
    arguments = parser.parse_args()
    parts, types = arguments.parts.split(","), arguments.types.split(",")
    for given, known in ((parts, PARTS), (types, NAMES.values())):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(unknown)}: expected some of {', '.join(known)}")
    if not torch.cuda.is_available():
        raise SystemExit("this PyTorch sees no CUDA device: install one built for CUDA, on a machine with an NVIDIA GPU")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # the operator's own arithmetic
    result = {"date": datetime.date.today().isoformat(), "device": torch.cuda.get_device_name(), "batch": arguments.batch,
              "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__}, "ceilings": ceilings()}
    if "operators" in parts:
        result["operators"] = run_operators(arguments.batch, arguments.samples, [d for d in NAMES if NAMES[d] in types],
                                            not arguments.skip_training)
    if "plans" in parts:
        result["plans"] = run_plans(arguments.batch)
    if "networks" in parts:
        result["networks"] = run_networks((1, arguments.batch), arguments.samples)
    report.write_gpu(result, arguments.out)


if __name__ == "__main__":
    main()
