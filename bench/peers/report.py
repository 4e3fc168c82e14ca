"""Tables and plots from what peers.py and gpu.py measured."""
import json
import math
import pathlib
import statistics

from common import LIMIT, OURS, SHAPES, name_of

MARK = "<!-- {} -->"  # docs/performance.md holds each table between two of these
COLOURS = {"sycl-dcn": "#0b6e99", "plain convolution": "#999999", "OpenVINO": "#7b4fa3", "ONNX Runtime": "#d98c00",
           "torchvision": "#c0392b", "PyTorch": "#c0392b"}


def with_spread(value):
    return f"{value['median']:.2f} ({value['p10']:.2f}-{value['p90']:.2f})"


def ratios(rows, name, to=LIMIT):
    return [row["ms"][name]["median"] / row["ms"][to]["median"] for row in rows]


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def layer_table(rows):
    names = list(rows[0]["ms"])
    others = [name for name in names if name != LIMIT]
    lines = ["| layer | " + " | ".join(f"{name}, ms" for name in names) + " | " +
             " | ".join(f"{name} / limit" for name in others) + " |",
             "| --- |" + " --- |" * (len(names) + len(others))]
    for index, row in enumerate(rows):
        lines.append(f"| {row['shape']} | " + " | ".join(with_spread(row["ms"][name]) for name in names) + " | " +
                     " | ".join(f"{ratios(rows, name)[index]:.2f}" for name in others) + " |")
    lines.append("| geometric mean |" + " |" * len(names) + " " +
                 " | ".join(f"**{geometric_mean(ratios(rows, name)):.2f}**" for name in others) + " |")
    return lines


def network_table(times):
    ours = times[OURS]["median"]
    lines = ["| `dla_34`, 512 x 512, batch 1, fp32 | ms | times ours |", "| --- | --- | --- |"]
    return lines + [f"| {name} | {with_spread(value)} | {value['median'] / ours:.2f} |" for name, value in times.items()]


def alone_table(alone):
    lines = ["| layer | type | sycl-dcn, ms | plain convolution, ms | sycl-dcn / limit |", "| --- | --- | --- | --- | --- |"]
    for kind, rows in alone.items():
        lines += [f"| {row['shape']} | {kind} | {with_spread(row['ms'][OURS])} | {with_spread(row['ms'][LIMIT])} | {ratio:.2f} |"
                  for row, ratio in zip(rows, ratios(rows, OURS))]
        lines.append(f"| geometric mean | {kind} | | | **{geometric_mean(ratios(rows, OURS)):.2f}** |")
    return lines


def roofline_table(rows, ceilings):
    """What bounds each layer. Memory: every tensor once. Corners: what sampling reads, four values for each sampled one."""
    lines = [f"Ceilings: {ceilings['gflops']:.0f} GFLOP/s (product of two matrices), {ceilings['gbytes']:.1f} GB/s (sum of two long vectors).", "",
             "| layer | products, GFLOP | sampling, GFLOP | memory, MB | corners, MB | FLOP per byte of memory | "
             "at least: arithmetic, memory, ms | sycl-dcn, of arithmetic's bound | plain convolution, of its own |",
             "| --- |" + " --- |" * 8]
    for (channels, outputs, side), row in zip(SHAPES, rows):
        pixels = side * side
        products, sampling = 2 * 9 * channels * outputs * pixels / 1e9, 9 * 9 * channels * pixels / 1e9
        memory = 4 * (pixels * (channels + 27 + outputs) + 9 * channels * outputs) / 1e6
        corners = 4 * 4 * 9 * channels * pixels / 1e6
        arithmetic = 1e3 * (products + sampling) / ceilings["gflops"]
        lines.append(f"| {name_of(channels, outputs, side)} | {products:.2f} | {sampling:.2f} | {memory:.1f} | {corners:.0f} | "
                     f"{1e3 * (products + sampling) / memory:.0f} | {arithmetic:.2f}, {memory / ceilings['gbytes']:.2f} | "
                     f"{arithmetic / row['ms'][OURS]['median']:.0%} | "
                     f"{1e3 * products / ceilings['gflops'] / row['ms'][LIMIT]['median']:.0%} |")
    return lines


def network_alone_table(networks, layers):
    lines = ["| network, 512 x 512, batch 1, fp32 | sycl-dcn, ms | plain convolutions, ms | sycl-dcn / plain | "
             "of it: convolutions that make offsets, ms | sycl-dcn without them / plain |", "| --- | --- | --- | --- | --- | --- |"]
    for name, times in networks.items():
        ours, plain = times[OURS], times[LIMIT]
        offsets = sum(layer["milliseconds"] for layer in layers[name] if what_of(layer) == OFFSETS)
        offsets *= ours["median"] / sum(layer["milliseconds"] for layer in layers[name])
        lines.append(f"| `{name}` | {with_spread(ours)} | {with_spread(plain)} | {ours['median'] / plain['median']:.2f} | "
                     f"{offsets:.1f} | {(ours['median'] - offsets) / plain['median']:.2f} |")
    return lines


def stage_of(layer):
    """`base.level3` of `base.level3.tree1.conv1`, `dla_up` of `dla_up.ida_0.node_1`."""
    parts = layer.split(".")
    if parts[0] in ("hm", "wh", "reg"):
        return "heads"
    return ".".join(parts[:2]) if parts[0] == "base" else parts[0]


OFFSETS = "convolutions that make offsets"


def what_of(layer):
    if "offset" in layer["name"]:
        return OFFSETS
    return {"deform_conv": "deformable convolutions", "conv": "other convolutions"}.get(layer["kind"], "everything else")


def layers_table(layers):
    total = sum(layer["milliseconds"] for layer in layers)
    lines = []
    for title, key in (("stage of `dla_34`", lambda layer: stage_of(layer["name"])), ("kind of layer", what_of)):
        lines += ["", f"| {title} | layers | ms | share | GFLOP | GFLOP/s |", "| --- | --- | --- | --- | --- | --- |"]
        groups = {}
        for layer in layers:
            groups.setdefault(key(layer), []).append(layer)
        for name, group in groups.items():
            time, work = (sum(layer[what] for layer in group) for what in ("milliseconds", "flops"))
            lines.append(f"| {name} | {len(group)} | {time:.1f} | {time / total:.1%} | {work / 1e9:.1f} | {work / time / 1e6:.0f} |")
    return lines[1:]


def memory_table(rows):
    lines = ["| layer | batch | columns, MiB | forward: work-group, KiB | forward: plan, KiB | backward: plan, MiB |",
             "| --- | --- | --- | --- | --- | --- |"]
    return lines + [f"| {row['shape']} | {row['batch']} | {row['columns'] / 2**20:.0f} | {row['group'] / 2**10:.0f} | "
                    f"{row['forward'] / 2**10:.1f} | {row['backward'] / 2**20:.1f} |" for row in rows]


def startup_table(startup):
    return ["| `centernet detect`, `resdcn_18`, input | s |", "| --- | --- |",
            *(f"| {size.replace('x', ' x ')} | {with_spread(times)} |" for size, times in startup.items())]


def heading(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"{result['date']}, {result['machine']['processor']}, {result['machine']['cores']} cores; {versions}."


def put(text, name, lines):
    """`text` with what stands between the two marks of `name` replaced."""
    mark = MARK.format(name)
    parts = text.split(mark)
    if len(parts) != 3:
        raise SystemExit(f"performance.md: expected two lines {mark}, found {len(parts) - 1}")
    return parts[0] + mark + "\n" + "\n".join(lines) + "\n" + mark + parts[2]


def plot(result, folder):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    def bars(axes, rows, value, label):
        names = [name for name in rows[0]["ms"] if value(rows, name) is not None]
        width = 0.8 / len(names)
        for at, name in enumerate(names):
            axes.bar([x + at * width for x in range(len(rows))], value(rows, name), width, label=name,
                     color=COLOURS.get(name))
        axes.set_xticks([x + 0.4 - width / 2 for x in range(len(rows))], [row["shape"] for row in rows], rotation=20)
        axes.set_ylabel(label)
        axes.set_yscale("log")
        axes.grid(axis="y", alpha=0.3)
        axes.legend(fontsize=8)

    figure, (latency, ratio) = pyplot.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
    bars(latency, result["forward"], lambda rows, name: [row["ms"][name]["median"] for row in rows], "ms")
    bars(ratio, result["forward"], lambda rows, name: None if name == LIMIT else ratios(rows, name),
         "times the plain convolution")
    ratio.axhline(1, color="#999999", linestyle="--")
    figure.suptitle("Deformable convolution, forward, fp32, batch 1")
    figure.savefig(folder / "performance_layers.png", dpi=110)

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 4), layout="constrained")
    titles = {"batch": "batch (64->64 channels, 64 x 64)", "side": "side of the picture (64->64 channels, batch 1)"}
    for axis, (kind, title) in zip(axes, titles.items()):
        rows = result["scaling"][kind]
        for name in rows[0]["ms"]:
            axis.plot([row["x"] for row in rows], [row["ms"][name]["median"] for row in rows], "o-", label=name,
                      color=COLOURS.get(name))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel(title)
        axis.set_ylabel("ms")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(folder / "performance_scaling.png", dpi=110)

    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    rows = [row for row in result["memory"] if row["shape"] == result["memory"][0]["shape"]]
    cores = result["machine"]["cores"]
    curves = {"columns of im2col": (lambda row: row["columns"], "#c0392b"),
              "sycl-dcn, backward": (lambda row: row["backward"], "#5fa8c7"),
              f"sycl-dcn, forward, {cores} threads": (lambda row: row["forward"] + cores * row["group"], COLOURS[OURS])}
    for name, (value, colour) in curves.items():
        axis.plot([row["batch"] for row in rows], [value(row) / 2**20 for row in rows], "o-", label=name, color=colour)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel(f"batch ({rows[0]['shape']}, fp32)")
    axis.set_ylabel("MiB beside tensors and weights")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(folder / "performance_memory.png", dpi=110)
    pyplot.close("all")


def update(page, tool, tables):
    """Puts each of {name: lines} where `page` has it, between two marks "TOOL: name"; without a page, makes one."""
    marks = {f"{tool}: {name}": lines for name, lines in tables.items()}
    text = page.read_text() if page.exists() else "\n".join(f"{MARK.format(name)}\n{MARK.format(name)}\n" for name in marks)
    for name, lines in marks.items():
        text = put(text, name, lines)
    page.write_text(text)


def write(result, out):
    """performance.json and the plots into `out`, the tables into out/performance.md when that is there, else a new one."""
    result = json.loads(json.dumps(result))  # keys as they are when read again
    images, history = out / "images", out / "performance"
    for folder in (images, history):
        folder.mkdir(parents=True, exist_ok=True)
    (history / f"{result['date']}.json").write_text(json.dumps(result, indent=1) + "\n")
    makers = {"forward": ("layers", layer_table), "training": ("training", layer_table), "network": ("network", network_table),
              "alone": ("alone", alone_table), "memory": ("memory", memory_table), "startup": ("startup", startup_table)}
    tables = {name: make(result[key]) for key, (name, make) in makers.items() if key in result}
    tables["roofline"] = roofline_table(result["alone"]["fp32"], result["ceilings"])
    if "layers" in result:
        tables["network alone"] = network_alone_table(result["network_alone"], result["layers"])
        tables["stages"] = layers_table(result["layers"]["dla_34"])
    page = out / "performance.md"
    update(page, "bench/run", {name: [heading(result), "", *lines] for name, lines in tables.items()})
    plot(result, images)
    print(f"{page}, {history}/{result['date']}.json and the plots in {images} are written")


def gpu_operator_table(results, what):
    names = [n for n in (LIMIT, OURS, "torchvision", "deformops") if any(n in r[what] for r in results)]
    lines = ["| type | shape | " + " | ".join(f"{n}: device, call, us" for n in names) +
             " | ours / plain, device | torchvision / ours, device | ours, error |", "| --- | --- |" + " --- |" * (len(names) + 3)]
    for r in results:
        at = r[what]
        cells = [f"{at[n]['device_us']:.0f}, {at[n]['median_us']:.0f} ±{at[n]['spread_us']:.0f}" if n in at else "–" for n in names]
        ours = at[OURS]["device_us"]
        peer = f"{at['torchvision']['device_us'] / ours:.1f}" if "torchvision" in at else "–"
        lines.append(f"| {r['type']} | {r['shape']} | " + " | ".join(cells) +
                     f" | {ours / at[LIMIT]['device_us']:.2f} | {peer} | {r['errors'][OURS]:.1e} |")
    return lines


def gpu_plan_table(plans):
    shapes = list(dict.fromkeys(plan["shape"] for plan in plans))
    lines = ["| ours (cuDNN), us | " + " | ".join(shapes) + " |", "| --- |" + " --- |" * len(shapes)]
    for kind in dict.fromkeys(plan["type"] for plan in plans):
        row = {plan["shape"]: plan for plan in plans if plan["type"] == kind}
        lines.append(f"| {kind} | " + " | ".join(f"{row[s][OURS]:.0f} ({row[s][LIMIT]:.0f})" for s in shapes) + " |")
    return lines


def gpu_network_table(networks):
    lines = ["| network | type | batch | sycl-dcn, ms | PyTorch, torchvision, ms | ratio | largest difference |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in networks:
        cells = [f"{r[who]['median_us'] / 1e3:.2f} ±{r[who]['spread_us'] / 1e3:.2f}" for who in (OURS, "PyTorch")]
        lines.append(f"| {r['network']} | {r['type']} | {r['batch']} | " + " | ".join(cells) +
                     f" | {r['PyTorch']['median_us'] / r[OURS]['median_us']:.2f} | {r['difference']:.1e} |")
    return lines


def gpu_roofline_table(result):
    """fp16: the least time by arithmetic and by memory (every tensor once), and how much of the larger each one reaches."""
    ceilings, batch = result["ceilings"], result["batch"]
    lines = [f"Ceilings, fp16: {ceilings['fp16_tflops']:.0f} TFLOP/s, {ceilings['tbytes']:.1f} TB/s.", "",
             "| layer, fp16 | GFLOP | memory, MB | corners, MB | at least: arithmetic, memory, us | sycl-dcn, us | of the bound | "
             "plain convolution, of its own |", "| --- |" + " --- |" * 7]
    rows = {row["shape"]: row["forward"] for row in result["operators"] if row["type"] == "fp16"}
    for channels, outputs, side in SHAPES:
        at = rows[name_of(channels, outputs, side)]
        pixels = batch * side * side
        work = 2 * 9 * channels * outputs * pixels
        plain_memory, offsets = 2 * (pixels * (channels + outputs) + 9 * channels * outputs), 2 * 27 * pixels
        corners = 2 * 4 * 9 * channels * pixels
        arithmetic = work / ceilings["fp16_tflops"] * 1e-6
        memory, plain = ((bytes_ / ceilings["tbytes"] * 1e-6) for bytes_ in (plain_memory + offsets, plain_memory))
        lines.append(f"| {name_of(channels, outputs, side)} | {work / 1e9:.1f} | {(plain_memory + offsets) / 1e6:.0f} | {corners / 1e6:.0f} | "
                     f"{arithmetic:.0f}, {memory:.0f} | {at[OURS]['device_us']:.0f} | {max(arithmetic, memory) / at[OURS]['device_us']:.0%} | "
                     f"{max(arithmetic, plain) / at[LIMIT]['device_us']:.0%} |")
    return lines


def write_gpu(result, out):
    """performance/gpu-DATE.json, and the tables of what was measured into performance.md."""
    history = out / "performance"
    history.mkdir(parents=True, exist_ok=True)
    file = history / f"gpu-{result['date']}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    tables = {}
    if "operators" in result:
        tables = {what: gpu_operator_table(result["operators"], what) for what in ("forward", "training")
                  if what in result["operators"][0]}
        if any(row["type"] == "fp16" for row in result["operators"]):
            tables["roofline"] = gpu_roofline_table(result)
    if "plans" in result:
        tables["plans"] = gpu_plan_table(result["plans"])
    if "networks" in result:
        tables["networks"] = gpu_network_table(result["networks"])
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    heading_lines = [f"{result['device']}, {result['date']}, {versions}, batch {result['batch']}.", ""]
    page = out / "performance.md"
    update(page, "bench/gpu", {name: [*heading_lines, *lines] for name, lines in tables.items()})
    print(f"{page} and {file} are written")
