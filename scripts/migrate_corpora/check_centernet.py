#!/usr/bin/env python3
"""The original's Python CenterNet on a migrated DCNv2: the same detections as with torchvision's operator in its place.

    check_centernet.py CENTERNET MIGRATED_DCNV2 [--model ctdet_dla_34]

CENTERNET is a checkout of github.com/xingyizhou/CenterNet; MIGRATED_DCNV2 a migrated and built DCNv2_latest. Both runs are on the CPU (--gpus -1), with
a checkpoint made by tests/data/parity/make_checkpoint.py and pictures from there. Needs opencv-python, progress, pycocotools, matplotlib.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

PARITY = Path(__file__).resolve().parent.parent.parent / "tests/data/parity"
PICTURES = ("images/A.png", "images/B.png")


def with_torchvision():
    """A class DCN with the parameters of DCNv2's, on torchvision's operator."""
    import torch
    from torchvision.ops import deform_conv2d

    class DCN(torch.nn.Module):
        def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation=1, deformable_groups=1):
            super().__init__()
            self.stride, self.padding, self.dilation = stride, padding, dilation
            self.weight = torch.nn.Parameter(torch.empty(out_channels, in_channels, *kernel_size))
            self.bias = torch.nn.Parameter(torch.empty(out_channels))
            channels = deformable_groups * 3 * kernel_size[0] * kernel_size[1]
            self.conv_offset_mask = torch.nn.Conv2d(in_channels, channels, kernel_size, stride, padding)

        def forward(self, x):
            first, second, mask = self.conv_offset_mask(x).chunk(3, dim=1)
            return deform_conv2d(x, torch.cat((first, second), dim=1), self.weight, self.bias, self.stride, self.padding, self.dilation, mask.sigmoid())

    return types.SimpleNamespace(DCN=DCN)


def detect(options):
    """Runs CenterNet in this process; prints the detections as JSON."""
    import cv2
    import torch
    sys.path[:0] = [str(options.centernet / "src/lib"), str(options.centernet / "src")]
    if options.run == "migrated":
        sys.path.insert(0, str(options.migrated))
        import dcn_v2
    else:
        dcn_v2 = with_torchvision()
    # What CenterNet imports as its own copy of DCNv2.
    sys.modules["models.networks.DCNv2"] = types.ModuleType("models.networks.DCNv2")
    sys.modules["models.networks.DCNv2.dcn_v2"] = dcn_v2
    torch.cuda.synchronize = lambda *_: None  # the detectors call it on the CPU, too
    from detectors.detector_factory import detector_factory
    from models.networks import pose_dla_dcn, resnet_dcn
    from opts import opts
    pose_dla_dcn.DLA.load_pretrained_model = lambda *_, **__: None  # no downloads: the checkpoint replaces every weight
    resnet_dcn.PoseResNet.init_weights = lambda *_, **__: None

    task, arch = options.model.split("_", 1) if options.model.startswith("ctdet") else options.model.rsplit("_", 2)[0:1] + ["dla_34"]
    opt = opts().init([task, "--arch", arch, "--load_model", str(options.checkpoint), "--gpus", "-1", "--debug", "0"])
    detector = detector_factory[opt.task](opt)
    found = {}
    for picture in PICTURES:
        results = detector.run(cv2.imread(str(PARITY / picture)))["results"]
        found[picture] = {str(k): v.tolist() for k, v in results.items()}
    print("RESULT " + json.dumps(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("centernet", type=lambda p: Path(p).resolve())
    parser.add_argument("migrated", type=lambda p: Path(p).resolve())
    parser.add_argument("--model", default="ctdet_dla_34", help="of tests/data/parity/models")
    parser.add_argument("--run", choices=("torchvision", "migrated"), help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return detect(options)
    seed = json.loads((PARITY / f"models/{options.model}.json").read_text())["seed"]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.pth"
        subprocess.run([sys.executable, PARITY / "make_checkpoint.py", PARITY / f"manifests/{options.model}.json", "--seed", str(seed), "--out", checkpoint], check=True)
        for run in ("torchvision", "migrated"):
            done = subprocess.run([sys.executable, __file__, options.centernet, options.migrated, "--model", options.model, "--run", run, "--checkpoint", checkpoint],
                                  env=dict(os.environ, CSY_DEVICE="cpu", CSY_VERBOSE="1"), capture_output=True, text=True, check=False)
            lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
            if not lines:
                sys.exit(done.stdout + done.stderr)
            print(run, *[line for line in done.stderr.splitlines() if line.startswith("csy: ")], sep="\n  ")
            found[run] = json.loads(lines[0].removeprefix("RESULT "))
    for picture in PICTURES:
        theirs, ours = ([[int(k), *row] for k, rows in found[run][picture].items() for row in rows] for run in ("torchvision", "migrated"))
        assert len(theirs) == len(ours) > 50, (len(theirs), len(ours))
        worst_box = worst_score = 0.0
        for row in theirs:  # the nearest of the same class: rows whose scores tie may be swapped
            distance, score = min((max(abs(a - b) for a, b in zip(row[1:5], other[1:5])), abs(row[5] - other[5])) for other in ours if other[0] == row[0])
            worst_box, worst_score = max(worst_box, distance), max(worst_score, score)
        print(f"equal: {picture}, {len(ours)} detections: boxes within {worst_box:.1e} pixels, scores within {worst_score:.1e}")
        assert worst_box < 0.1 and worst_score < 3e-4
    return None


if __name__ == "__main__":
    main()
