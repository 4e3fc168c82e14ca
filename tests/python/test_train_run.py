"""Whole runs on a toy data set: learning, exact resumption, command line, errors."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sycl_dcn.train.augment import AugmentConfig
from sycl_dcn.train.cli import main
from sycl_dcn.train.curve import join, read_log
from sycl_dcn.train.data import load_coco
from sycl_dcn.train.export import load
from sycl_dcn.train.trainer import TrainConfig, Trainer, TrainingError

ROOT = Path(__file__).parents[2]
WIDTHS = "8,8,16,16,16,16,16"


@pytest.fixture
def toy(tmp_path):
    """Eight photographs with one bright square or disc each."""
    rng = np.random.default_rng(0)
    data = {"images": [], "annotations": [],
            "categories": [{"id": 4, "name": "square"}, {"id": 9, "name": "disc"}]}
    for n in range(8):
        image = rng.integers(0, 60, (64, 80, 3)).astype(np.uint8)
        x, y, side = int(rng.integers(4, 40)), int(rng.integers(4, 28)), int(rng.integers(16, 30))
        if n % 2:
            cv2.circle(image, (x + side // 2, y + side // 2), side // 2, (40, 220, 250), -1)
        else:
            image[y:y + side, x:x + side] = (250, 120, 30)
        cv2.imwrite(str(tmp_path / f"{n}.png"), image)
        data["images"].append({"id": n + 1, "file_name": f"{n}.png", "width": 80, "height": 64})
        data["annotations"].append({"id": n + 1, "image_id": n + 1, "category_id": 9 if n % 2 else 4,
                                    "bbox": [x, y, side, side], "area": side * side, "iscrowd": 0})
    (tmp_path / "toy.json").write_text(json.dumps(data))
    return tmp_path


def trainer(toy, epochs=3, learning_rate=1e-3, **augment):
    torch.set_num_threads(1)
    config = TrainConfig("resdcn_18", (8, 8, 16, 16, 16, 16, 16), 8, epochs=epochs, batch=4, ema=0.9,
                         learning_rate=learning_rate)
    return Trainer(config, AugmentConfig(size=64, max_objects=8, **augment),
                   load_coco(toy / "toy.json", toy), "cpu")


def test_resume_is_bit_exact(toy):
    whole, first, second = trainer(toy), trainer(toy), trainer(toy)
    for _ in range(4):
        whole.train_step()
    for _ in range(2):
        first.train_step()
    first.save(toy / "last.pt")
    second.load_state_dict(torch.load(toy / "last.pt", weights_only=True))
    for _ in range(2):
        second.train_step()
    assert second.step == 4
    for kind in ("network", "average"):
        for name, value in whole.state_dict()[kind].items():
            assert torch.equal(value, second.state_dict()[kind][name]), (kind, name)
    assert torch.equal(whole.generator.get_state(), second.generator.get_state())


def test_resume_refuses_other_settings(toy):
    state = trainer(toy).state_dict()
    with pytest.raises(TrainingError, match="epochs 3 .now 5."):
        trainer(toy, epochs=5).load_state_dict(state)


def test_schedule_warms_up_and_falls(toy):
    t = trainer(toy, epochs=100)
    rates = [t.learning_rate(s) for s in range(t.total_steps)]
    assert rates[0] < 0.1 * max(rates) and max(rates) == pytest.approx(1e-3, rel=1e-2)
    assert rates[-1] < 0.02 * max(rates)
    assert all(a >= b for a, b in zip(rates[20:], rates[21:]))


def arguments(toy, *more):
    return ["run", "--train", str(toy / "toy.json"), str(toy), "--val", str(toy / "toy.json"), str(toy),
            "--arch", "resdcn_18", "--widths", WIDTHS, "--head-conv", "16", "--size", "64",
            "--input-size", "96,96", "--batch", "8", "--device", "cpu", "--mosaic", "0", "--mixup", "0",
            "--cutout", "0", "--colour", "0", "--noise", "0", "--scale", "1,1.3", "--rotate", "0",
            "--ema", "0.95", "--learning-rate", "5e-3", "--spread", "--iou-weight", "1", *more]


def test_one_batch_is_learned_by_heart(toy):
    t = trainer(toy, epochs=15, learning_rate=1e-2, mosaic=0, mixup=0, cutout=0)
    start = t.generator.get_state()
    losses = []
    for _ in range(t.total_steps):
        t.generator.set_state(start)  # the same batch again
        losses.append({k: float(v) for k, v in t.train_step().items()})
    for name in ("loss", "hm", "wh"):
        first, last = losses[0][name], losses[-1][name]
        assert last < 0.5 * first, (name, first, last)


def test_a_run_logs_and_exports(toy, capsys):
    out = toy / "out"
    assert main(arguments(toy, "--epochs", "4", "--eval-epochs", "2", "--out", str(out))) == 0
    rows = read_log(out / "log.jsonl")
    assert [r["epoch"] for r in rows if "AP50" in r] == [2.0, 4.0]
    assert [r["step"] for r in rows if "loss" in r] == [4]
    assert load(out / "best.safetensors")[1].labels == ("square", "disc")
    assert main(["curve", str(out / "log.jsonl"), "--out", str(out / "c.png"), "--title", "toy"]) == 0
    assert cv2.imread(str(out / "c.png")).shape[0] > 100
    both = join([out / "log.jsonl", out / "log.jsonl"])
    assert len(both) == 2 * len(rows) and both[-1]["epoch"] == 8.0


def test_the_shipped_fixture_model_finds_cells(tmp_path, capsys):
    cells = ROOT / "tests" / "data" / "bccd"
    assert main(["eval", str(ROOT / "models" / "bccd_tiny.safetensors"), "--device", "cpu", "--flip-test",
                 "--data", str(cells / "annotations.json"), str(cells),
                 "--json", str(tmp_path / "m.json"), "--results", str(tmp_path / "r.json")]) == 0
    assert "Platelets" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert metrics["AP50"] > 0.7 and metrics["by_class"]["WBC"][1] > 0.9
    results = json.loads((tmp_path / "r.json").read_text())
    assert {r["category_id"] for r in results} == {1, 2, 3} and len(results) == 600


def test_a_run_stops_at_the_limit_and_goes_on(toy, capsys):
    out = toy / "out"
    run = arguments(toy, "--epochs", "30", "--eval-epochs", "30", "--out", str(out))
    assert main([*run, "--time-limit", "0"]) == 0
    assert "continue with --resume" in capsys.readouterr().out
    assert torch.load(out / "last.pt", weights_only=True)["step"] == 10
    assert main([*run, "--resume"]) == 0
    assert "finished: step 30 of 30" in capsys.readouterr().out


@pytest.mark.parametrize("more,message", [
    (["--train", "none.json", "."], "none.json"),
    (["--size", "100"], "multiples of 32"),
    (["--arch", "vgg"], "vgg"),
    (["--operator", "cuda"], "unknown implementation"),
    (["--widths", "1,2"], "7 widths"),
    (["--device", "gpu"], "--device gpu: expected auto, cpu, cuda"),
    (["--init", str(ROOT / "README.md")], "README.md: not a safetensors file"),
    (["--init", str(ROOT / "models" / "aquarium_resdcn18.safetensors"), "--widths", "1,2"], "--widths: not that of --init"),
])
def test_wrong_arguments_end_in_one_line(toy, capsys, more, message):
    assert main([*arguments(toy, "--epochs", "1", "--out", str(toy / "out")), *more]) == 1
    error = capsys.readouterr().err.strip()
    assert message in error and error.startswith("error: ") and "\n" not in error


@pytest.mark.parametrize("more,message", [
    (["--batch", "0"], "--batch: '0', expected a whole number, at least 1"),
    (["--widths", "a,b"], "--widths: 'a,b', expected whole numbers with commas between"),
    (["--input-size", "64"], "--input-size: '64', expected 2 whole numbers"),
    (["--mosaic", "7"], "--mosaic: '7', expected a number from 0 to 1"),
])
def test_wrong_values_are_named(toy, capsys, more, message):
    with pytest.raises(SystemExit):
        main([*arguments(toy, "--epochs", "1", "--out", str(toy / "out")), *more])
    assert message in capsys.readouterr().err


def test_the_help_names_every_default(capsys):
    for command in ("run", "eval", "relabel", "voc2coco", "curve"):
        with pytest.raises(SystemExit) as done:
            main([command, "--help"])
        assert done.value.code == 0
        text = capsys.readouterr().out
        assert "None" not in text and "<" not in text, text
        if command == "run":
            assert "(default: 0.6,1.6)" in text and "(default: 300)" in text


def test_relabel_changes_metadata_alone(toy):
    out = toy / "out"
    assert main(arguments(toy, "--epochs", "1", "--eval-epochs", "1", "--out", str(out))) == 0
    assert main(["relabel", str(out / "last.safetensors"), "--resolution", "keep", "--license", "MIT",
                 "--out", str(out / "new.safetensors")]) == 0
    before, info = load(out / "last.safetensors")
    after, changed = load(out / "new.safetensors")
    assert (info.resolution, changed.resolution, changed.license) == ("fix", "keep", "MIT")
    assert all(torch.equal(before[k], after[k]) for k in before)
