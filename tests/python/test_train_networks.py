"""The training networks are the original's: tensor names, shapes and numbers."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sycl_dcn.train import deform
from sycl_dcn.train.export import MEAN, STD, ModelInfo, export, load, network_of
from sycl_dcn.train.networks import build, ctdet_heads

PARITY = Path(__file__).parents[1] / "data" / "parity"
NAMES = {"ctdet_resdcn_18": "resdcn_18", "ctdet_dla_34": "dla_34"}
SLIM = {"resdcn_18": (8, 8, 16, 16, 16, 16, 8), "dla_34": (8, 8, 16, 16, 16, 32)}


@pytest.fixture(params=NAMES)
def reference(request):
    sys.path.insert(0, str(PARITY))
    import make_checkpoint
    manifest = json.loads((PARITY / "manifests" / f"{request.param}.json").read_text())
    model = json.loads((PARITY / "models" / f"{request.param}.json").read_text())
    samples = np.load(PARITY / "models" / f"{request.param}.npz")
    state = make_checkpoint.state(manifest, model["seed"])
    network = build(NAMES[request.param], manifest["heads"], manifest["head_conv"])
    return network, {k: torch.from_numpy(v) for k, v in state.items()}, samples


def test_names_and_shapes(reference):
    network, state, _ = reference
    ours = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    # base.fc is what is left of the original's ImageNet classifier; detection does not use it
    theirs = {k: tuple(v.shape) for k, v in state.items() if not k.startswith("base.fc.")}
    assert ours == theirs


def test_heads_equal_the_original(reference):
    network, state, samples = reference
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("base.fc.")})
    image = cv2.imread(str(PARITY / "inputs" / "A_fix_s1.png"))
    x = torch.from_numpy(((image / 255.0 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None])
    with torch.no_grad():
        out = network.eval()(x)
    for head, value in out.items():
        at = samples[f"A/fix/s1/{head}_idx"]
        wanted = samples[f"A/fix/s1/{head}_f64"]
        error = np.abs(value.numpy().ravel()[at] - wanted).max()
        assert error < 5e-3 * wanted.std(), head


@pytest.mark.parametrize("arch", SLIM)
def test_export_keeps_weights_and_metadata(arch, tmp_path):
    torch.manual_seed(0)
    network = build(arch, ctdet_heads(2), 8, SLIM[arch]).eval()
    info = ModelInfo(arch, ("cat", "dog"), (64, 96), "keep", license="MIT", attribution="someone")
    export(network.state_dict(), tmp_path / "m.safetensors", info)
    state, read = load(tmp_path / "m.safetensors")
    assert read == info
    assert not any(k.endswith("num_batches_tracked") for k in state)
    again = network_of(state, read).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(network(x).values(), again(x).values()):
            assert torch.allclose(a, b, atol=2e-2 * float(a.std() + 1))
    size = (tmp_path / "m.safetensors").stat().st_size
    assert size < 2.2 * sum(p.numel() for p in network.parameters()) + 60000


def test_export_refuses_diverged_weights(tmp_path):
    network = build("resdcn_18", ctdet_heads(2), 8, SLIM["resdcn_18"])
    network.conv1.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="conv1.weight"):
        export(network.state_dict(), tmp_path / "m.safetensors",
               ModelInfo("resdcn_18", ("a", "b"), (64, 64)))
    assert not list(tmp_path.iterdir())


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match="dla_34"):
        build("dla_35", ctdet_heads(2))
    with pytest.raises(ValueError, match="torchvision"):
        deform.set_implementation("cuda")
