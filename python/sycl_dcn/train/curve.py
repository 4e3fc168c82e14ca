"""Draws losses and validation AP over the epochs, from one log or those of several stages."""

from __future__ import annotations

import json
from pathlib import Path


def read_log(path) -> list[dict]:
    """The rows of a log.jsonl."""
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]


def join(logs) -> list[dict]:
    """The rows of several logs in sequence; the epochs count on from one to the next."""
    rows: list[dict] = []
    for log in logs:
        start = rows[-1]["epoch"] if rows else 0
        rows += [{**r, "epoch": r["epoch"] + start} for r in read_log(log)]
    return rows


def draw(logs, out, title: str) -> None:
    """Writes a PNG with two panels: losses (smoothed), AP and AP50 on the validation split."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = join(logs)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    losses = [r for r in rows if "loss" in r]
    names = {"hm": "heat map", "wh": "size / 10", "off": "offset", "iou": "1 - GIoU"}
    window = max(1, len(losses) // 100)
    for key, label in names.items():
        if losses and key in losses[0]:
            values = [r[key] * (0.1 if key == "wh" else 1) for r in losses]
            smooth = [sum(values[max(0, i - window):i + 1]) / (i + 1 - max(0, i - window))
                      for i in range(len(values))]
            left.plot([r["epoch"] for r in losses], smooth, label=label)
    left.set(xlabel="epoch", ylabel="loss", yscale="log", title=title)
    metrics = [r for r in rows if "AP50" in r]
    for key in ("AP50", "AP"):
        right.plot([r["epoch"] for r in metrics], [r[key] for r in metrics], label=key)
    right.set(xlabel="epoch", ylabel="validation", ylim=(0, 1))
    for axis in (left, right):
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, dpi=90)
    plt.close(figure)
