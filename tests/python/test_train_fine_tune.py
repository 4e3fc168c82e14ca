"""Fine-tuning the shipped detector on photographs of its data set, with this package's operator: the loss falls, a resumed
run is the same to the bit, and the result is a model that the program and the exporter take."""

import json
import subprocess

import numpy as np
import pytest
import torch

from conftest import PROGRAM, ROOT
from sycl_dcn import _operators
from sycl_dcn.train import deform
from sycl_dcn.train.augment import AugmentConfig
from sycl_dcn.train.cli import main
from sycl_dcn.train.curve import read_log
from sycl_dcn.train.data import load_coco
from sycl_dcn.train.detect import Evaluator
from sycl_dcn.train.export import load, network_of
from sycl_dcn.train.trainer import TrainConfig, Trainer

MODEL = ROOT / "models" / "aquarium_resdcn18.safetensors"
PICTURES = ROOT / "examples" / "images"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The annotations of four of the shipped photographs."""
    whole = json.loads((PICTURES / "annotations.json").read_text())
    whole["images"] = whole["images"][:4]
    kept = {image["id"] for image in whole["images"]}
    whole["annotations"] = [a for a in whole["annotations"] if a["image_id"] in kept]
    path = tmp_path_factory.mktemp("aquarium") / "annotations.json"
    path.write_text(json.dumps(whole))
    return path


def arguments(data, out, epochs, *more):
    return ["run", "--train", str(data), str(PICTURES), "--arch", "resdcn_18", "--init", str(MODEL), "--device", "cpu",
            "--size", "64", "--input-size", "64,64", "--batch", "1", "--epochs", str(epochs), "--learning-rate", "2e-4",
            "--warmup", "1", "--mosaic", "0", "--mixup", "0", "--cutout", "0", "--noise", "0", "--cast", "0",
            "--colour", "0", "--rotate", "0", "--scale", "1,1.1", "--out", str(out), *more]


def test_fine_tuning_resumes_to_the_bit_and_learns(data, tmp_path, capsys, monkeypatch):
    torch.set_num_threads(1)
    calls = []
    original = torch.ops.sycl_dcn.deform_conv2d
    monkeypatch.setattr(_operators, "_ops", type("Counted", (), {
        "deform_conv2d": staticmethod(lambda *a: calls.append(a[0].shape) or original(*a)),
        "deform_conv2d_backward": torch.ops.sycl_dcn.deform_conv2d_backward}))
    assert main(arguments(data, tmp_path / "whole", 3)) == 0
    assert deform.implementation("cpu") == "sycl_dcn" and len(calls) == 12 * 3  # three deformable layers a step
    output = capsys.readouterr()
    assert "finished: step 12 of 12" in output.out and "note:" not in output.err

    # The same run, cut after ten steps.
    assert main(arguments(data, tmp_path / "parts", 3, "--time-limit", "0")) == 0
    assert "continue with --resume" in capsys.readouterr().out
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["step"] == 10
    assert main(arguments(data, tmp_path / "parts", 3, "--resume")) == 0
    whole, parts = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts"))
    for kind in ("network", "average"):
        for name, value in whole[kind].items():
            assert torch.equal(value, parts[kind][name]), (kind, name)

    state, info = load(tmp_path / "whole" / "last.safetensors")
    before, described = load(MODEL)
    assert info.labels == described.labels and state.keys() == before.keys()
    assert any(not torch.equal(state[k], before[k]) for k in state)
    assert [row["step"] for row in read_log(tmp_path / "whole" / "log.jsonl")] == [12]


def test_the_program_detects_with_what_was_trained(data, tmp_path):
    """`centernet detect --model` on a run's best checkpoint finds what the Python network finds with the same file."""
    torch.set_num_threads(1)
    size = "256,256"
    assert main([*arguments(data, tmp_path, 1, "--val", str(data), str(PICTURES)), "--input-size", size]) == 0
    model = tmp_path / "best.safetensors"
    state, info = load(model)
    assert info.input_size == (256, 256)
    assert not torch.equal(state["layer4.0.conv1.weight"], load(MODEL)[0]["layer4.0.conv1.weight"])

    split = load_coco(data, PICTURES)
    with deform.using("torchvision"):  # nothing of the library on this side
        wanted = Evaluator(split, "cpu", info.resolution, info.input_size).detections(network_of(state, info))

    names = [image["file_name"] for image in json.loads(data.read_text())["images"]]
    rows = tmp_path / "rows.json"
    done = subprocess.run([PROGRAM, "detect", *(PICTURES / name for name in names), "--model", model, "--device", "cpu",
                           "--threshold", "0.2", "--json", rows, "--quiet"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(rows.read_text())
    compared = 0
    for name, (boxes, classes, scores) in zip(names, wanted):
        ours = [row for row in found if row["file_name"] == name]
        for (x1, y1, x2, y2), kind, score in zip(boxes, classes, scores):
            if score < 0.25:  # clear of the threshold
                continue
            compared += 1
            near = [abs(row["score"] - score) for row in ours if row["label"] == info.labels[kind] and np.allclose(
                row["bbox"], (x1, y1, x2 - x1, y2 - y1), atol=2)]
            assert near and min(near) < 0.01, (name, info.labels[kind], score, ours)
    assert compared >= 8


def test_the_loss_falls_and_as_it_does_with_torchvision(data):
    torch.set_num_threads(1)
    state, _ = load(MODEL)
    plain = AugmentConfig(size=128, mosaic=0, mixup=0, cutout=0, cast=0, colour=0, noise=0, rotate=0, scale=(1, 1.1))
    losses = {}
    for name, steps in (("sycl_dcn", 3), ("torchvision", 2)):
        with deform.using(name):
            trainer = Trainer(TrainConfig("resdcn_18", epochs=4, batch=2, learning_rate=1e-4, warmup=1), plain,
                              load_coco(data, PICTURES), "cpu", graph=False)
            trainer.initialise(state)
            start = trainer.generator.get_state()
            losses[name] = []
            for _ in range(steps):
                trainer.generator.set_state(start)  # the same batch again
                losses[name].append(float(trainer.train_step()["loss"]))
    assert losses["sycl_dcn"][-1] < 0.5 * losses["sycl_dcn"][0], losses
    assert losses["sycl_dcn"][:2] == pytest.approx(losses["torchvision"], rel=5e-3)


def test_an_operator_that_cannot_run_is_refused(monkeypatch):
    monkeypatch.setattr(deform, "why_no_sycl", lambda device: "no library")
    with pytest.raises(ValueError, match="sycl_dcn cannot run here: no library"):
        deform.set_implementation("sycl_dcn")


def test_the_choice_of_another_operator_is_said(monkeypatch, capsys):
    monkeypatch.setattr(deform, "why_no_sycl", lambda device: "no library")
    deform._automatic.cache_clear()
    assert deform.implementation("cpu") == "torchvision"
    assert "note: deformable convolution by torchvision" in capsys.readouterr().err
    deform._automatic.cache_clear()
