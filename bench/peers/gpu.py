#!/usr/bin/env python3
"""Our deformable convolution on a CUDA device beside cuDNN's plain convolution, torchvision's CUDA operator and deformops.

    bench/gpu                          needs: PyTorch for CUDA, torchvision, sycl_dcn, the oneAPI plugin for NVIDIA GPUs
    bench/gpu --batch 1 --out /tmp/try
    bench/gpu --networks               whole CenterNets instead, beside PyTorch's with torchvision's operator; needs the
                                       library that bench/run builds, or DCN_BENCH_LIBRARY with its name

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

import sycl_dcn

SHAPES = [(64, 64, 128), (128, 64, 64), (128, 128, 64), (256, 64, 32), (256, 128, 32), (256, 256, 32), (512, 256, 16)]
OURS, LIMIT = "sycl-dcn", "plain convolution"
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
        from deformops.integrations.torchvision import deform_conv2d as deformops_conv2d
        made["deformops"] = lambda t: deformops_conv2d(t["input"], t["offset"], t["weight"], t["bias"], padding=1,
                                                       mask=t["mask"])
    except ImportError:
        print("deformops is not installed: left out", file=sys.stderr)
    return made


def layouts(t, name):
    """Ours and cuDNN read channels_last; the others' fastest layout is NCHW."""
    if name in (OURS, LIMIT):
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


def table(results, what):
    names = [n for n in (LIMIT, OURS, "torchvision", "deformops") if any(n in r[what] for r in results)]
    lines = ["| type | shape | " + " | ".join(f"{n}: device, call, us" for n in names) +
             " | ours / plain, device | torchvision / ours, device | ours, error |",
             "| --- | --- |" + " --- |" * (len(names) + 3)]
    for r in results:
        at = r[what]
        cells = [f"{at[n]['device_us']:.0f}, {at[n]['median_us']:.0f} ±{at[n]['spread_us']:.0f}" if n in at else "–"
                 for n in names]
        ours = at[OURS]["device_us"]
        peer = f"{at['torchvision']['device_us'] / ours:.1f}" if "torchvision" in at else "–"
        lines.append(f"| {r['type']} | {r['shape']} | " + " | ".join(cells) +
                     f" | {ours / at[LIMIT]['device_us']:.2f} | {peer} | {r['errors'][OURS]:.1e} |")
    return "\n".join(lines)


def run_networks(batches, samples):
    """resdcn_18 and dla_34 at 512 x 512 with random weights: ours beside PyTorch's, heads compared first."""
    import tempfile

    import network
    import numpy as np
    import ours
    lines = ["| network | type | batch | sycl-dcn, ms | PyTorch, torchvision, ms | ratio | largest difference |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
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
                        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=bf16):
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
                    cells = [f"{found[who]['median_us'] / 1e3:.2f} ±{found[who]['spread_us'] / 1e3:.2f}"
                             for who in (OURS, "PyTorch")]
                    ratio = found["PyTorch"]["median_us"] / found[OURS]["median_us"]
                    lines.append(f"| {arch} | {kind} | {batch} | {cells[0]} | {cells[1]} | {ratio:.2f} | {difference:.1e} |")
                    print(lines[-1], file=sys.stderr, flush=True)
    return results, "\n".join(lines)


def write(arguments, name, results, text):
    """NAME.json and NAME.md, and the text on standard output."""
    device = torch.cuda.get_device_name()
    date = datetime.date.today().isoformat()
    text = f"{device}, {date}, PyTorch {torch.__version__}, torchvision {torchvision.__version__}. {text}"
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{name}.md").write_text(text + "\n")
    (arguments.out / f"{name}.json").write_text(json.dumps({"device": device, "date": date, "batch": arguments.batch,
                                                            "torch": torch.__version__, "results": results},
                                                           indent=1) + "\n")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--samples", type=int, default=15, help="of each implementation and shape")
    parser.add_argument("--types", default="fp16,bf16,fp32", help="comma-separated")
    parser.add_argument("--skip-training", action="store_true", help="forward only")
    parser.add_argument("--networks", action="store_true", help="whole networks, of batch 1 and --batch")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder for gpu.json and gpu.md")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this PyTorch sees no CUDA device: install one built for CUDA, on a machine with an NVIDIA GPU")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # the operator's own arithmetic
    if arguments.networks:
        results, text = run_networks((1, arguments.batch), arguments.samples)
        write(arguments, "networks", results, "Whole networks at 512 x 512.\n\n" + text)
        return
    made = makers()
    wanted = arguments.types.split(",")
    results = []
    for dtype in (d for d in NAMES if NAMES[d] in wanted):
        for channels, outputs, side in SHAPES:
            t = tensors(arguments.batch, channels, outputs, side, dtype)
            errors = check(made, t, dtype)
            running = {n: m for n, m in made.items() if n == LIMIT or n in errors}
            result = {"type": NAMES[dtype], "shape": f"{channels}->{outputs}@{side}", "errors": errors}
            works = {n: forward(m, layouts(t, n)) for n, m in running.items()}
            result["forward"] = run_all(works, arguments.samples)
            if not arguments.skip_training:
                grad = torch.randn(arguments.batch, outputs, side, side, device="cuda").to(dtype)
                grads = {n: grad.contiguous(memory_format=torch.channels_last) if n in (OURS, LIMIT) else grad
                         for n in running}
                works = {n: training(m, layouts(t, n), grads[n]) for n, m in running.items()}
                result["training"] = run_all(works, max(3, arguments.samples // 3))
            results.append(result)
            print(json.dumps(result), file=sys.stderr, flush=True)
    text = f"Batch {arguments.batch}.\n\nForward:\n\n" + table(results, "forward")
    if not arguments.skip_training:
        text += "\n\nForward and backward:\n\n" + table(results, "training")
    write(arguments, "gpu", results, text)


if __name__ == "__main__":
    main()
