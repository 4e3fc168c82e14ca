"""ONNX with the standard DeformConv operator (opset 19), and OpenVINO's own format.

    python -m sycl_dcn.export models/aquarium_resdcn18.safetensors aquarium.onnx
    python -m sycl_dcn.export models/aquarium_resdcn18.safetensors aquarium.xml

write the detector that `sycl_dcn.train` exported: `image` [N, 3, H, W] in, normalised as the model's metadata say, and the
heads `hm` (before the sigmoid), `wh`, `reg` out. `export_onnx` does it for any module that calls this package's convolutions.
OpenVINO has no rule for ONNX's DeformConv of its own; with `openvino_extensions()` its converter takes any ONNX file that has
it, and PyTorch modules that call this package. Deformable PSRoI pooling has no ONNX operator; exporting it is an error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
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


def _optional_input(node: Any, index: int) -> Any:
    """An input of an operator, or None when the model leaves it out."""
    if index >= node.get_input_size():
        return None
    value = node.get_input(index)
    source = value.get_node()
    # An empty name in ONNX, PyTorch's None: a node that is not converted and, unlike any other such node, has no inputs.
    absent = source.get_type_name() in ("NullNode", "PtFrameworkNode") and source.get_input_size() == 0
    return None if absent else value


def _deformable_convolution(x, offset, mask, weight, bias, strides, pads, dilations, groups, deformable_groups) -> list:
    """OpenVINO's nodes. pads: two numbers, or four (begin, then end)."""
    import numpy
    from openvino import opset8 as op

    # bilinear_interpolation_pad: corners outside of the picture count as zero, each by itself, as here and in ONNX.
    y = op.deformable_convolution(x, offset, weight, list(strides), list(pads[:2]), list(pads[-2:]), list(dilations), mask=mask,
                                  group=int(groups), deformable_group=int(deformable_groups), bilinear_interpolation_pad=True)
    if bias is not None:
        y = op.add(y, op.reshape(bias, numpy.array([1, -1, 1, 1], numpy.int64), False))
    return [y.output(0)]


def _from_onnx(node: Any) -> list:
    x, weight, offset = (node.get_input(i) for i in range(3))
    bias, mask = _optional_input(node, 3), _optional_input(node, 4)
    return _deformable_convolution(
        x, offset, mask, weight, bias, node.get_attribute("strides", [1, 1]), node.get_attribute("pads", [0, 0, 0, 0]),
        node.get_attribute("dilations", [1, 1]), node.get_attribute("group", 1), node.get_attribute("offset_group", 1))


def _from_pytorch(node: Any) -> list:
    x, offset, mask, weight, bias = (_optional_input(node, i) for i in range(5))
    numbers = [int(node.get_values_from_const_input(i)) for i in range(5, 13)]
    return _deformable_convolution(x, offset, mask, weight, bias, numbers[:2], numbers[2:4], numbers[4:6], *numbers[6:])


def openvino_extensions() -> list:
    """What OpenVINO's converter needs to know, for its own `extension` argument:

        openvino.convert_model("aquarium.onnx", extension=sycl_dcn.export.openvino_extensions())
        openvino.convert_model(torch.export.export(module, inputs), extension=sycl_dcn.export.openvino_extensions())

    One rule for ONNX's DeformConv, one for this package's operator by each name that PyTorch's exporters give it.
    Raises ImportError naming what to install.
    """
    try:
        from openvino.frontend import onnx, pytorch
    except ImportError as error:
        raise ImportError(f"converting to OpenVINO needs {error.name}: pip install openvino") from error
    return [onnx.ConversionExtension("DeformConv", "", _from_onnx),
            *(pytorch.ConversionExtension(name, _from_pytorch)
              for name in ("sycl_dcn::deform_conv2d", "sycl_dcn.deform_conv2d.default"))]


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
    """A model of `sycl_dcn.train` for its own input size, any batch; returns height and width. ONNX, or, when `path` ends in
    .xml, OpenVINO's format with the weights beside it in .bin."""
    if Path(path).suffix == ".xml":
        extensions = openvino_extensions()
        from openvino import save_model
        from openvino.frontend import FrontEndManager

        with tempfile.TemporaryDirectory() as folder:
            onnx = Path(folder) / "model.onnx"
            size = export_detector(model, onnx)
            # What openvino.convert_model does, but for its report of usage to OpenVINO's maker.
            frontend = FrontEndManager().load_by_framework("onnx")
            frontend.add_extension(extensions[0])
            save_model(frontend.convert(frontend.load(str(onnx))), str(path), compress_to_fp16=False)
        return size
    from .train import deform
    from .train.export import load, network_of

    state, info = load(model)
    height, width = info.input_size
    example = torch.zeros(2, 3, height, width)
    with deform.using("sycl_dcn"):
        export_onnx(_Detector(network_of(state, info)), (example,), path, ["image"], list(_Detector.HEADS),
                    ({0: torch.export.Dim("batch")},))
    return height, width


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sycl_dcn.export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="safetensors file that sycl_dcn.train exported")
    parser.add_argument("out", help="file to write: .onnx, or .xml for OpenVINO")
    args = parser.parse_args(arguments)
    try:
        if Path(args.out).suffix not in (".onnx", ".xml"):
            raise ValueError(f"{args.out}: expected a name that ends in .onnx, or .xml for OpenVINO's format")
        height, width = export_detector(args.model, args.out)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: image [N, 3, {height}, {width}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
