"""Writes a trained network as fp16 safetensors with everything that a detector needs to know."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import torch
from safetensors.torch import save_file

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
