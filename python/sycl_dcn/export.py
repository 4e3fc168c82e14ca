"""ONNX with the standard DeformConv operator (opset 19).

    python -m sycl_dcn.export models/aquarium_resdcn18.safetensors aquarium.onnx

writes the detector that `sycl_dcn.train` exported: `image` [N, 3, H, W] in, normalised as the model's metadata say, and the
heads `hm` (before the sigmoid), `wh`, `reg` out. `export_onnx` does it for any module that calls this package's convolutions.
Deformable PSRoI pooling has no ONNX operator; exporting it is an error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from . import _operators  # noqa: F401  (registers the operators that are translated)

OPSET = 19  # the first with DeformConv


def _translation():
    """What the exporter writes for our convolution."""
    from onnxscript import opset19 as op

    def deform_conv2d(input, offset, mask, weight, bias, stride_h: int, stride_w: int, padding_h: int, padding_w: int,
                      dilation_h: int, dilation_w: int, groups: int, deformable_groups: int):
        # ONNX takes (X, W, offset, B, mask); its offsets are (row, column) for each tap, as ours.
        return op.DeformConv(input, weight, offset, bias, mask, strides=[stride_h, stride_w],
                             pads=[padding_h, padding_w, padding_h, padding_w], dilations=[dilation_h, dilation_w],
                             group=groups, offset_group=deformable_groups)

    return {torch.ops.sycl_dcn.deform_conv2d.default: deform_conv2d}


def export_onnx(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: str | Path,
                input_names: list[str] | None = None, output_names: list[str] | None = None,
                dynamic_shapes: Any = None) -> None:
    """Writes `module`, as it computes on `inputs`, to `path`. Raises ImportError naming what to install."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"exporting ONNX needs {error.name}: pip install onnx onnxscript") from error
    program = torch.onnx.export(module.eval(), inputs, dynamo=True, opset_version=OPSET, input_names=input_names,
                                output_names=output_names, dynamic_shapes=dynamic_shapes, verbose=False,
                                custom_translation_table=_translation())
    program.save(str(path))


class _Detector(torch.nn.Module):
    """The network with its heads in a fixed order."""

    HEADS = ("hm", "wh", "reg")

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        heads = self.network(image)
        return tuple(heads[name] for name in self.HEADS)


def export_detector(model: str | Path, path: str | Path) -> tuple[int, int]:
    """A model of `sycl_dcn.train` as ONNX for its own input size, any batch; returns height and width."""
    from .train import deform
    from .train.export import load, network_of

    state, info = load(model)
    deform.set_implementation("sycl_dcn")
    try:
        height, width = info.input_size
        example = torch.zeros(2, 3, height, width)
        export_onnx(_Detector(network_of(state, info)), (example,), path, ["image"], list(_Detector.HEADS),
                    ({0: torch.export.Dim("batch")},))
    finally:
        deform.set_implementation("auto")
    return height, width


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sycl_dcn.export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="safetensors file that sycl_dcn.train exported")
    parser.add_argument("out", help="ONNX file to write")
    args = parser.parse_args(arguments)
    try:
        height, width = export_detector(args.model, args.out)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: image [N, 3, {height}, {width}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
