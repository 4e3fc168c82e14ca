"""The commands beside detect, and eval with a model."""

import json
import struct
import time
import unittest

from program import BCCD, BCCD_PICTURES, MODELS, ROOT, ProgramTest, run
from test_eval import NAMES, reference

COMMANDS = ["detect", "eval", "inspect", "convert", "devices", "bench"]


def header(path):
    """Metadata and tensors of a safetensors file."""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    document = json.loads(data[8:8 + length])
    return document.pop("__metadata__"), document


class HelpTest(ProgramTest):
    def test_help_teaches(self):
        text = self.ok("--help").stdout
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", text)
            own = self.ok(command, "--help").stdout
            self.assertIn(f"Usage: centernet {command}", own)
            self.assertIn("Example", own)
            self.assertIn(f"  centernet {command}", own)
            self.assertLessEqual(max(map(len, own.splitlines())), 120)
        self.assertIn("Exit code", text)

    def test_help_touches_no_device(self):
        # A runtime that cannot be loaded at all must not matter.
        done = self.ok("--help", env={"OCL_ICD_FILENAMES": "/nowhere.so", "ONEAPI_DEVICE_SELECTOR": "nonsense"})
        self.assertEqual(done.stderr, "")
        best = min(self.seconds("--version") for _ in range(5))
        self.assertLess(best, 0.5, "seconds for --version")

    def seconds(self, *arguments):
        start = time.monotonic()
        run(*arguments)
        return time.monotonic() - start

    def test_version(self):
        self.assertRegex(self.ok("--version").stdout, r"^centernet \d+\.\d+\.\d+\n$")

    def test_every_option_is_documented(self):
        text = (ROOT / "docs/cli.md").read_text()
        for command in COMMANDS:
            part = text.split(f"\n## centernet {command}\n")[1].split("\n## ")[0]
            for word in self.ok(command, "--help").stdout.replace(",", " ").replace("[", " ").split():
                if word.startswith("--") and word not in ("--help",) and word.strip("-"):
                    name = word.rstrip(".;:)")
                    self.assertTrue(name in part or name in text.split("\n## Options that commands share\n")[1],
                                    f"{command} {name}")


class DevicesTest(ProgramTest):
    def test_table_and_json(self):
        devices = json.loads(self.ok("devices", "--json").stdout)
        self.assertEqual(sum(device["auto"] for device in devices), 1)
        cpu = next(device for device in devices if device["kind"] == "cpu")
        self.assertTrue(cpu["usable"])
        self.assertGreater(cpu["memory"], 0)
        text = self.ok("devices").stdout
        for device in devices:
            self.assertIn(device["name"], text)
        self.assertIn("auto", text)

    def test_no_device_at_all(self):
        done = self.ok("devices", code=2, env={"ONEAPI_DEVICE_SELECTOR": "cuda:*"})
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("centernet: error: ", done.stderr)


class EvalTest(ProgramTest):
    def test_a_model_on_pictures(self):
        annotations = BCCD_PICTURES / "annotations.json"
        found, metrics, again = (self.folder / name for name in ("found.json", "metrics.json", "again.json"))
        done = self.ok("eval", "--images", BCCD_PICTURES, "--annotations", annotations, "--model", BCCD, "--json", metrics,
                       "--save-detections", found, "--batch", "2")
        report = json.loads(metrics.read_text())
        for key, value in zip(NAMES, reference(annotations, found)):
            self.assertAlmostEqual(report[key], value, delta=1e-12, msg=key)
        self.assertGreater(report["AP50"], 0.5)
        self.assertIn("RBC", done.stdout)
        self.ok("eval", "--annotations", annotations, "--detections", found, "--json", again)
        self.assertEqual(json.loads(again.read_text()), report)
        # detect with --annotations writes what eval evaluates
        other = self.folder / "other.json"
        self.ok("detect", BCCD_PICTURES, "--model", BCCD, "--annotations", annotations, "--json", other, "--batch", "2")
        self.assertEqual(json.loads(other.read_text()), json.loads(found.read_text()))

    def test_a_picture_that_is_missing(self):
        annotations = json.loads((BCCD_PICTURES / "annotations.json").read_text())
        annotations["images"].append({"id": 9999, "file_name": "gone.jpg"})
        done = self.ok("eval", "--images", BCCD_PICTURES, "--annotations", self.save("a.json", annotations), "--model",
                       BCCD, code=1)
        self.assertIn("gone.jpg", done.stderr)
        self.assertIn("1 of 7 images could not be read", done.stderr)
        self.assertIn("AP50", done.stdout)


class InspectTest(ProgramTest):
    def test_table_and_json(self):
        text = self.ok("inspect", BCCD).stdout
        for word in ("resdcn_18, ctdet", "RBC, WBC, Platelets", "256 x 256", "deform_conv", "MFLOP", "reorders", "1x3x256x256"):
            self.assertIn(word, text)
        report = json.loads(self.ok("inspect", BCCD, "--json", "--input-size", "128x192", "--batch", "2").stdout)
        self.assertEqual(report["model"]["labels"], ["RBC", "WBC", "Platelets"])
        self.assertEqual(report["model"]["metadata"]["license"], "MIT")
        layers = report["layers"]
        convolutions = [layer for layer in layers if layer["kind"] in ("conv", "deform_conv")]
        self.assertGreater(len(convolutions), 20)
        self.assertEqual(report["parameters"], sum(layer["parameters"] for layer in layers))
        first = next(layer for layer in layers if layer["kind"] == "conv")
        self.assertEqual(first["input"], [2, 3, 128, 192])
        for layer in convolutions:
            self.assertTrue(layer["source_format"] and layer["destination_format"] and layer["implementation"], layer)
            self.assertGreater(layer["flops"], 0)
            self.assertNotIn("milliseconds", layer)

    def test_profile(self):
        report = json.loads(self.ok("inspect", BCCD, "--json", "--profile", "--repeats", "3").stdout)
        self.assertTrue(all(layer["milliseconds"] >= 0 for layer in report["layers"]))
        self.assertGreater(sum(layer["milliseconds"] for layer in report["layers"]), 0)
        self.assertIn("GFLOP/s", self.ok("inspect", BCCD, "--profile", "--repeats", "1").stdout)


class ConvertTest(ProgramTest):
    def detections(self, model, *arguments):
        picture = sorted(BCCD_PICTURES.glob("*.jpg"))[0]
        return json.loads(self.ok("detect", picture, "--model", model, "--json", "-", "--quiet", *arguments).stdout)

    def test_metadata_and_numbers(self):
        full, half = self.folder / "full.safetensors", self.folder / "half.safetensors"
        labels = self.folder / "labels.txt"
        labels.write_text("a\nb\nc\n")
        done = self.ok("convert", BCCD, full)
        self.assertIn("resdcn_18, ctdet, 3 classes", done.stdout)
        self.assertEqual(self.detections(full), self.detections(BCCD))
        self.ok("convert", full, half, "--dtype", "fp16", "--labels", labels, "--input-size", "128x192")
        metadata, tensors = header(half)
        self.assertEqual(json.loads(metadata["labels"]), ["a", "b", "c"])
        self.assertEqual(json.loads(metadata["input_size"]), [128, 192])
        self.assertEqual(json.loads(metadata["mean"]), [0.408, 0.447, 0.47])
        self.assertEqual((metadata["arch"], metadata["task"], metadata["resolution"]), ("resdcn_18", "ctdet", "fix"))
        self.assertEqual(metadata["license"], "MIT")
        self.assertEqual({tensor["dtype"] for tensor in tensors.values() if len(tensor["shape"]) > 1}, {"F16"})
        self.assertLess(half.stat().st_size, 0.6 * full.stat().st_size)
        self.assertEqual({row["label"] for row in self.detections(half)} - {"a", "b", "c"}, set())

    def test_original_checkpoint(self):
        out = self.folder / "o.safetensors"
        self.ok("convert", MODELS / "ctdet_resdcn_18.pth", out)
        metadata, _ = header(out)
        self.assertEqual(len(json.loads(metadata["labels"])), 80)
        size = ("--input-size", "128x128")
        self.assertEqual(self.detections(out, *size), self.detections(MODELS / "ctdet_resdcn_18.pth", *size))


class BenchTest(ProgramTest):
    def test_table_and_json(self):
        arguments = ("bench", "--model", BCCD, "--repeats", "3", "--warmup", "1", "--input-size", "128x128")
        text = self.ok(*arguments).stdout
        for word in ("p50", "p90", "p99", "preprocess", "network", "decode", "postprocess", "total", "images/s"):
            self.assertIn(word, text)
        picture = sorted(BCCD_PICTURES.glob("*.jpg"))[0]
        report = json.loads(self.ok(*arguments, picture, "--batch", "2", "--json").stdout)
        self.assertEqual(report["picture"], [480, 640])
        self.assertEqual((report["batch"], report["repeats"], report["input"]), (2, 3, [128, 128]))
        stages = report["stages"]
        for stage in stages.values():
            self.assertLessEqual(stage["p50"], stage["p90"])
            self.assertLessEqual(stage["p90"], stage["p99"])
        self.assertGreater(stages["network"]["p50"], 0)
        parts = sum(stages[name]["p50"] for name in ("preprocess", "network", "decode", "postprocess"))
        self.assertAlmostEqual(parts / stages["total"]["p50"], 1, delta=0.5)


if __name__ == "__main__":
    unittest.main()
