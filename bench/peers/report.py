"""Tables and plots from what peers.py measured."""
import json
import math
import pathlib
import statistics

MARK = "<!-- bench/run: {} -->"  # docs/performance.md holds each table between two of these
COLOURS = {"sycl-dcn": "#0b6e99", "plain convolution": "#999999", "OpenVINO": "#7b4fa3", "ONNX Runtime": "#d98c00",
           "torchvision": "#c0392b", "PyTorch": "#c0392b"}
OURS, LIMIT = "sycl-dcn", "plain convolution"


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
    pyplot.close("all")


def write(result, out):
    """performance.json and the plots into `out`, the tables into out/performance.md when that is there, else a new one."""
    result = json.loads(json.dumps(result))  # keys as they are when read again
    out.mkdir(parents=True, exist_ok=True)
    images = out / "images"
    images.mkdir(exist_ok=True)
    history = out / "performance"
    history.mkdir(exist_ok=True)
    (history / f"{result['date']}.json").write_text(json.dumps(result, indent=1) + "\n")
    tables = {"layers": layer_table(result["forward"])}
    if "training" in result:
        tables["training"] = layer_table(result["training"])
    if "network" in result:
        tables["network"] = network_table(result["network"])
    page = out / "performance.md"
    text = page.read_text() if page.exists() else "\n".join(f"{MARK.format(name)}\n{MARK.format(name)}\n" for name in tables)
    for name, lines in tables.items():
        text = put(text, name, [heading(result), "", *lines])
    page.write_text(text)
    plot(result, images)
    print(f"{page}, {history}/{result['date']}.json and the plots in {images} are written")
