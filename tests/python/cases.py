"""What the tests of the operators share: cases, the original's numbers, comparisons."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import torch

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclasses.dataclass(frozen=True)
class Case:
    """Shapes of one call. `per`: input channels per deformable group."""

    batch: int = 2
    channels: int = 8
    height: int = 7
    width: int = 9
    out_channels: int = 6
    kernel: tuple = (3, 3)
    stride: tuple = (1, 1)
    padding: tuple = (1, 1)
    dilation: tuple = (1, 1)
    groups: int = 1
    deformable_groups: int = 1
    mask: bool = True
    bias: bool = True

    def out_size(self):
        return tuple((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, p, d, k, s in zip(
            (self.height, self.width), self.padding, self.dilation, self.kernel, self.stride))

    def geometry(self):
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}


# Every parameter differs from its neighbour at least once.
CASES = [
    Case(),
    Case(mask=False, bias=False),
    Case(batch=1, channels=16, out_channels=32, height=12, width=10),
    Case(channels=12, out_channels=8, groups=2, deformable_groups=3, height=6, width=5),
    Case(kernel=(1, 5), padding=(0, 2), stride=(2, 1), height=8),
    Case(kernel=(2, 3), padding=(2, 0), dilation=(2, 1), stride=(1, 2)),
    Case(channels=6, out_channels=6, groups=6, deformable_groups=2, mask=False),
    Case(batch=3, height=1, width=1, kernel=(1, 1), padding=(0, 0)),
]


def tensors(case, dtype=torch.float32, seed=0, channels_last=False, spread=2.0, device="cpu"):
    """input, offset, weight, bias, mask, and a gradient of the output, the same numbers on every device. Offsets stay off whole numbers, where the
    derivative has a kink and two right implementations differ."""
    g = torch.Generator().manual_seed(seed)
    taps, dg = case.kernel[0] * case.kernel[1], case.deformable_groups
    height, width = case.out_size()
    offset = torch.randn(case.batch, 2 * dg * taps, height, width, generator=g) * spread
    fraction = (offset - offset.floor()) * 0.75 + 0.125  # representable near enough in half types, too
    offset = offset.floor() + fraction
    values = [
        torch.randn(case.batch, case.channels, case.height, case.width, generator=g), offset,
        torch.randn(case.out_channels, case.channels // case.groups, *case.kernel, generator=g) / 4,
        torch.randn(case.out_channels, generator=g) if case.bias else None,
        torch.rand(case.batch, dg * taps, height, width, generator=g) if case.mask else None,
        torch.randn(case.batch, case.out_channels, height, width, generator=g)]
    values = [None if v is None else v.to(device, dtype) for v in values]
    if channels_last:
        values = [v.to(memory_format=torch.channels_last) if v is not None and v.dim() == 4 else v for v in values]
    return values


def run(function, case, values):
    """Output, then the gradients of input, offset, weight, bias, mask (None where there is no such tensor)."""
    *inputs, grad = values
    inputs = [None if v is None else v.detach().requires_grad_() for v in inputs]
    output = function(*inputs[:4], mask=inputs[4], **case.geometry())
    given = [v for v in inputs if v is not None]
    grads = iter(torch.autograd.grad(output, given, grad))
    return [output.detach(), *(None if v is None else next(grads) for v in inputs)]


def row_major(values, dtype=None):
    """The same in torchvision's own layout: 0.24 writes over its gradient when a channels-last tensor has one pixel."""
    return [None if v is None else v.to(dtype or v.dtype).clone(memory_format=torch.contiguous_format) for v in values]


NAMES = ("output", "grad_input", "grad_offset", "grad_weight", "grad_bias", "grad_mask")


def error(got, wanted):
    """Largest difference as a part of the largest wanted value."""
    got, wanted = got.cpu(), wanted.cpu().double()
    assert got.shape == wanted.shape and torch.isfinite(got).all()
    if wanted.numel() == 0:
        return 0.0
    return ((got.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)).item()


def load_parity(file):
    """Cases of the original with inputs as tensors, and samples of its results in float64."""
    spec = importlib.util.spec_from_file_location("op_inputs", PARITY / "op_inputs.py")
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    reference = np.load(PARITY / "ops" / f"{file}_ref.npz")
    for case in json.loads((PARITY / "ops" / f"{file}_cases.json").read_text())["cases"]:
        arrays = {k: torch.from_numpy(v) for k, v in rule.make(case).items()}
        wanted = {}
        for name, facts in case["ref"].items():
            key = f"{case['id']}/{name}"
            index = reference[f"{key}_idx"] if f"{key}_idx" in reference else None
            wanted[name] = (torch.from_numpy(np.asarray(reference[key], np.float64)), index, facts)
        yield case, arrays, wanted


def parity_error(got, wanted):
    """Largest difference to the original's samples, as a part of the case's largest value."""
    samples, index, facts = wanted
    flat = got.detach().cpu().double().reshape(-1)
    picked = flat if index is None else flat[torch.from_numpy(index.astype(np.int64))]
    return ((picked - samples.reshape(-1)).abs().max() / max(facts["max_abs"], 1e-30)).item()
