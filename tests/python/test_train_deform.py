"""Deformable convolution of the training package: the Triton one equals torchvision's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sycl_dcn.train import deform
from sycl_dcn.train.layers import DCN

# Run by Triton's interpreter, on the CPU; that must be chosen before Triton is imported.
COMPARE = """
import torch
from torchvision.ops import deform_conv2d as reference
from sycl_dcn.train.deform_triton import deform_conv2d
torch.manual_seed(0)
for n, c, h, w, o in [(2, 5, 4, 5, 4), (1, 40, 5, 3, 8), (1, 130, 3, 2, 3)]:
    values = [torch.randn(n, c, h, w), torch.randn(n, 18, h, w) * 2, torch.rand(n, 9, h, w),
              torch.randn(o, c, 3, 3), torch.randn(o)]
    values[1][..., 0] = values[1][..., 0].round()  # exactly on the grid, too
    a, b = ([v.clone().requires_grad_() for v in values] for _ in range(2))
    got = deform_conv2d(a[0], a[1], a[3], a[4], 1, a[2])
    wanted = reference(b[0], b[1], b[3], b[4], padding=1, mask=b[2])
    seed = torch.randn_like(got)
    got.backward(seed)
    wanted.backward(seed)
    pairs = [(got, wanted)] + [(x.grad, y.grad) for x, y in zip(a, b)]
    pairs[2] = tuple(p.clone()[..., 1:] for p in pairs[2])  # one-sided on the grid
    for x, y in pairs:
        assert (x - y).abs().max() < 3e-5 * y.abs().max(), (c, (x - y).abs().max())
print("equal")
"""


def test_triton_equals_torchvision():
    if deform._triton_deform_conv2d is None:
        with pytest.raises(ValueError, match="Triton is not installed"):
            deform.set_implementation("triton")
        return
    package = str(Path(deform.__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", COMPARE], capture_output=True, text=True, timeout=300,
                         env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": package})
    assert run.stdout.strip() == "equal", run.stderr[-2000:]


def test_a_new_layer_is_half_a_plain_convolution():
    torch.manual_seed(0)
    layer, x = DCN(6, 4), torch.randn(2, 6, 9, 11)
    plain = torch.nn.functional.conv2d(x, layer.weight, padding=1) / 2 + layer.bias[:, None, None]
    assert torch.allclose(layer(x), plain, atol=1e-5)
