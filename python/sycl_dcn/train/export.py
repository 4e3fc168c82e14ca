"""Writes a trained network as fp16 safetensors with everything that a detector needs to know."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .networks import build, ctdet_heads

# Order blue, green, red: the original feeds images as OpenCV reads them.
MEAN = (0.408, 0.447, 0.470)
STD = (0.289, 0.274, 0.278)


@dataclass(frozen=True)
class ModelInfo:
    """What the weights alone don't say. input_size: (height, width) of the `fix` resolution."""

    arch: str
    labels: tuple[str, ...]
    input_size: tuple[int, int]
    resolution: str = "fix"  # or "keep"
    task: str = "ctdet"
    license: str = ""
    attribution: str = ""

    def metadata(self) -> dict[str, str]:
        """The strings stored in the safetensors header."""
        if self.resolution not in ("fix", "keep"):
            raise ValueError(f"resolution '{self.resolution}', expected 'fix' or 'keep'")
        return {
            "format": "pt", "arch": self.arch, "task": self.task,
            "labels": json.dumps(list(self.labels)),
            "mean": json.dumps(list(MEAN)), "std": json.dumps(list(STD)),
            "input_size": json.dumps(list(self.input_size)), "resolution": self.resolution,
            "license": self.license, "attribution": self.attribution,
        }


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Kernels in fp16; biases and batch-norm vectors in fp32; batch counters dropped."""
    packed = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name}: not finite; the training diverged, export nothing")
        tensor = tensor.detach().cpu()
        packed[name] = (tensor.half() if tensor.ndim >= 2 else tensor.float()).contiguous()
    return packed


def export(state: dict[str, torch.Tensor], path, info: ModelInfo) -> None:
    """Writes `path` whole or not at all."""
    temporary = f"{path}.part"
    save_file(pack(state), temporary, metadata=info.metadata())
    os.replace(temporary, path)


def load(path) -> tuple[dict[str, torch.Tensor], ModelInfo]:
    """Reads back what `export` wrote, as float32."""
    try:
        with safe_open(path, "pt") as f:
            meta = f.metadata() or {}
            state = {k: f.get_tensor(k).float() for k in f.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error}); expected a model that sycl_dcn.train exported") from error
    missing = [k for k in ("arch", "labels", "input_size", "resolution") if k not in meta]
    if missing:
        raise ValueError(f"{path}: metadata without {', '.join(missing)}; expected a model that "
                         "sycl_dcn.train exported")
    info = ModelInfo(meta["arch"], tuple(json.loads(meta["labels"])),
                     tuple(json.loads(meta["input_size"])), meta["resolution"], meta["task"],
                     meta.get("license", ""), meta.get("attribution", ""))
    return state, info


def widths_of(state: dict[str, torch.Tensor], arch: str) -> tuple[int, ...]:
    """The channel widths that the shapes of a checkpoint's tensors show."""
    if arch == "dla_34":
        names = ["base.base_layer.0", "base.level1.0", "base.level2.tree1.conv1",
                 "base.level3.tree1.tree1.conv1", "base.level4.tree1.tree1.conv1",
                 "base.level5.tree1.conv1"]
    else:
        names = [f"layer{n}.0.conv1" for n in range(1, 5)] + [
            f"deconv_layers.{n}" for n in (0, 6, 12)]
    return tuple(state[f"{name}.weight"].shape[0] for name in names)


def network_of(state: dict[str, torch.Tensor], info: ModelInfo) -> torch.nn.Module:
    """The network of an exported model, with its weights."""
    network = build(info.arch, ctdet_heads(len(info.labels)), state["hm.0.weight"].shape[0],
                    widths_of(state, info.arch))
    network.load_state_dict(state, strict=False)  # batch counters are not exported
    return network
