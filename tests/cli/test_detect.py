"""`centernet detect` as a user runs it: each kind of input, each output, each option."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from program import (BCCD, BCCD_PICTURES, MODELS, PROGRAM, ProgramTest, pixels, read_ppm, write_avi, write_png,
                     write_ppm)

ANNOTATIONS = BCCD_PICTURES / "annotations.json"
PICTURES = sorted(BCCD_PICTURES.glob("*.jpg"))


class DetectTest(ProgramTest):
    def rows(self, *arguments, **options):
        """The entries of --json."""
        return json.loads(self.ok("detect", *arguments, "--json", "-", "--quiet", **options).stdout)


class InputTest(DetectTest):
    def test_a_folder_with_everything_written(self):
        out, results, table = self.folder / "out", self.folder / "a.json", self.folder / "a.csv"
        done = self.ok("detect", BCCD_PICTURES, "--model", BCCD, "--output", out, "--json", results, "--csv", table)
        names = [path.name for path in PICTURES]
        self.assertEqual(sorted(path.name for path in out.iterdir()), names)
        for path in PICTURES:
            self.assertEqual((out / path.name).read_bytes()[:2], b"\xff\xd8")
            self.assertNotEqual((out / path.name).read_bytes(), path.read_bytes())
            self.assertIn(path.name, done.stdout)
        self.assertIn("6 images", done.stdout)
        self.assertIn("RBC", done.stdout)
        self.assertIn("images/s", done.stdout)
        rows = json.loads(results.read_text())
        self.assertEqual({row["image_id"]: row["file_name"] for row in rows}, dict(enumerate(names, 1)))
        for row in rows:
            self.assertEqual(set(row), {"image_id", "category_id", "bbox", "score", "file_name", "label"})
            self.assertEqual(row["label"], ["RBC", "WBC", "Platelets"][row["category_id"] - 1])
        with table.open(newline="") as file:
            listed = list(csv.DictReader(file))
        strong = [row for row in rows if row["score"] >= 0.3]
        self.assertEqual([(row["file_name"], float(row["score"]), float(row["width"])) for row in listed],
                         [(row["file_name"], row["score"], row["bbox"][2]) for row in strong])
        self.assertGreater(len(rows), len(strong))
        self.assertEqual(self.leftovers(), [])

    def test_the_cells_are_found(self):
        rows = self.rows(PICTURES[0], "--model", BCCD, "--annotations", ANNOTATIONS, "--json-threshold", "0.3")
        truth = json.loads(ANNOTATIONS.read_text())
        image = next(row["id"] for row in truth["images"] if row["file_name"] == PICTURES[0].name)
        objects = [row for row in truth["annotations"] if row["image_id"] == image]

        def overlap(a, b):
            w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
            h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
            inside = max(w, 0) * max(h, 0)
            return inside / (a[2] * a[3] + b[2] * b[3] - inside)

        self.assertEqual({row["image_id"] for row in rows}, {image})
        found = sum(any(row["category_id"] == thing["category_id"] and overlap(row["bbox"], thing["bbox"]) > 0.5
                        for row in rows) for thing in objects)
        self.assertGreaterEqual(found, 0.6 * len(objects), f"{found} of {len(objects)}")

    def test_patterns_lists_and_order(self):
        two = [PICTURES[2], PICTURES[0]]
        self.assertEqual(self.order(*two), [path.name for path in two])
        self.assertEqual(self.order(BCCD_PICTURES / "BloodImage_000*.jpg"), [path.name for path in PICTURES[:2]])
        listed = "\n".join(map(str, two)) + "\n"
        self.assertEqual(self.order("-", stdin=listed), [path.name for path in two])

    def order(self, *inputs, **options):
        rows = self.rows(*inputs, "--model", BCCD, **options)
        return list(dict.fromkeys(row["file_name"] for row in sorted(rows, key=lambda row: row["image_id"])))

    def test_unreadable_pictures_are_skipped_and_counted(self):
        folder = self.folder / "photos"
        folder.mkdir()
        for name in ("a.jpg", "d.jpg"):
            shutil.copy(PICTURES[0], folder / name)
        (folder / "b.jpg").write_text("no picture at all")
        (folder / "c.png").touch()
        out = self.folder / "out"
        done = self.ok("detect", folder, "--model", BCCD, "--output", out, "--json", self.folder / "a.json", code=1)
        self.assertIn("b.jpg: not a picture, or damaged", done.stderr)
        self.assertIn("c.png: the file is empty", done.stderr)
        self.assertIn("2 of 4 inputs could not be read", done.stderr)
        self.assertIn("not read", done.stdout)
        self.assertEqual(sorted(path.name for path in out.iterdir()), ["a.jpg", "d.jpg"])
        ids = {row["image_id"] for row in json.loads((self.folder / "a.json").read_text())}
        self.assertEqual(ids, {1, 4}, "unreadable pictures keep their number")

    def test_a_missing_name_in_a_list(self):
        done = self.ok("detect", "-", "--model", BCCD, stdin=f"{self.folder}/gone.jpg\n{PICTURES[0]}\n", code=1)
        self.assertIn("gone.jpg: No such file or directory", done.stderr)
        self.assertIn(PICTURES[0].name, done.stdout)

    def test_a_picture_that_ends_early(self):
        cut = self.folder / "cut.jpg"
        cut.write_bytes(PICTURES[0].read_bytes()[:-4000])
        done = self.ok("detect", cut, "--model", BCCD)
        self.assertIn("cut.jpg: the file ends early", done.stderr)

    def test_same_names_and_strange_ones(self):
        paths = []
        for name in ("one/a b.ppm", "two/a b.ppm", "\u00e9t\u00e9, \"x\".ppm", "c[1].ppm"):
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            paths.append(write_ppm(path, seed=len(paths)))
        out, table = self.folder / "out", self.folder / "t.csv"
        self.ok("detect", *paths, "--model", BCCD, "--output", out, "--csv", table, "--threshold", "0")
        self.assertEqual(sorted(path.name for path in out.iterdir()),
                         sorted(["a b.ppm", "a b_2.ppm", paths[2].name, "c[1].ppm"]))
        with table.open(newline="") as file:
            names = list(dict.fromkeys(row["file_name"] for row in csv.DictReader(file)))
        self.assertEqual(names, [str(paths[0]), str(paths[1]), paths[2].name, paths[3].name])

    def test_grey_deep_and_transparent_pictures(self):
        grey = self.folder / "grey.pgm"
        grey.write_bytes(b"P5\n40 30\n255\n" + bytes(range(240)) * 5)
        deep = self.folder / "deep.ppm"
        deep.write_bytes(b"P6\n40 30\n65535\n" + bytes(range(240)) * 30)
        tiny = write_png(self.folder / "tiny.png", 1, 1)
        out = self.folder / "out"
        self.ok("detect", grey, deep, tiny, "--model", BCCD, "--output", out)
        self.assertEqual(sorted(path.name for path in out.iterdir()), ["deep.ppm", "grey.png", "tiny.png"])

    def test_video(self):
        video = write_avi(self.folder / "clip.avi", frames=12)
        out = self.folder / "out"
        done = self.ok("detect", video, "--model", BCCD, "--output", out, "--json", self.folder / "a.json",
                       "--json-threshold", "0", "--heatmap", "--batch", "5")
        self.assertIn("clip.avi (12 frames)", done.stdout)
        self.assertEqual(sorted(path.name for path in out.iterdir()), ["clip.mp4", "clip_heatmap.mp4"])
        rows = json.loads((self.folder / "a.json").read_text())
        self.assertEqual(sorted({(row["image_id"], row["frame"]) for row in rows}), [(i, i) for i in range(1, 13)])
        # What was written is a video of as many frames.
        again = self.ok("detect", out / "clip.mp4", "--model", BCCD, "--max-frames", "100")
        self.assertIn("clip.mp4 (12 frames)", again.stdout)
        self.assertIn("(3 frames)", self.ok("detect", video, "--model", BCCD, "--max-frames", "3").stdout)

    def test_video_and_picture_together_and_damage(self):
        video = write_avi(self.folder / "clip.avi", frames=3)
        broken = self.folder / "broken.mp4"
        broken.write_text("no video")
        picture = write_ppm(self.folder / "a.ppm")
        done = self.ok("detect", video, broken, picture, "--model", BCCD, "--output", self.folder / "out", code=1)
        self.assertIn("broken.mp4: not a video", done.stderr)
        self.assertEqual(sorted(path.name for path in (self.folder / "out").iterdir()), ["a.ppm", "clip.mp4"])
        self.fails("detect", video, "--model", BCCD, "--annotations", ANNOTATIONS, says="clip.avi")

    def test_a_video_on_a_full_disk(self):
        video = write_avi(self.folder / "clip.avi", 640, 480, frames=20)
        out = self.folder / "out"
        self.fails("detect", video, "--model", BCCD, "--output", out, says=["clip.mp4", "cannot be written"],
                   shell="ulimit -f 30; {}")
        self.assertEqual(list(out.iterdir()), [])

    def test_a_camera_that_is_not_there(self):
        done = self.ok("detect", "camera:63", "--model", BCCD, code=1)
        self.assertIn("camera:63: cannot be opened", done.stderr)


class OptionTest(DetectTest):
    def setUp(self):
        super().setUp()
        self.base = (PICTURES[0], "--model", BCCD)

    def strong(self, *arguments):
        return [row for row in self.rows(*self.base, *arguments) if row["score"] >= 0.3]

    def alike(self, first, second, pixels_apart, score_apart):
        self.assertEqual(len(first), len(second))
        for row in first:
            close = [other for other in second if other["category_id"] == row["category_id"] and
                     abs(other["score"] - row["score"]) <= score_apart and
                     all(abs(a - b) <= pixels_apart for a, b in zip(row["bbox"], other["bbox"]))]
            self.assertTrue(close, row)

    def test_memory_formats_agree(self):
        reference = self.strong()
        self.assertGreater(len(reference), 5)
        for choice in ("nchw", "nhwc", "auto"):
            self.alike(reference, self.strong("--memory-format", choice), 0.05, 1e-3)

    def test_batches_agree(self):
        rows = {size: self.rows(BCCD_PICTURES, "--model", BCCD, "--batch", size, "--json-threshold", "0.3")
                for size in (1, 4)}
        self.assertGreater(len(rows[1]), 30)
        self.alike(rows[1], rows[4], 0.05, 1e-3)

    def test_scores_classes_and_numbers(self):
        everything = self.rows(*self.base)
        self.assertGreater(len(everything), 50)
        self.assertEqual(len(self.rows(*self.base, "--top-k", "7")), 7)
        some = self.rows(*self.base, "--json-threshold", "0.5")
        self.assertEqual(some, [row for row in everything if row["score"] >= 0.5])
        for choice in ("WBC", "1"):
            self.assertEqual(self.rows(*self.base, "--classes", choice),
                             [row for row in everything if row["label"] == "WBC"])

    def test_thresholds_of_table_and_picture(self):
        picture = write_ppm(self.folder / "a.ppm", 200, 150)
        plain = b"".join(pixels(200, 150))
        for threshold, changed in (("1", False), ("0", True)):
            out = self.folder / threshold
            self.ok("detect", picture, "--model", BCCD, "--output", out, "--threshold", threshold)
            width, height, body = read_ppm(out / "a.ppm")
            self.assertEqual((width, height), (200, 150))
            self.assertEqual(body != plain, changed)

    def test_detection_modes_differ_and_run(self):
        reference = self.rows(*self.base)
        for option in (["--flip-test"], ["--scales", "0.5,1"], ["--nms"], ["--keep-res"], ["--input-size", "128x160"],
                       ["--dtype", "bf16"]):
            rows = self.rows(*self.base, *option)
            self.assertGreater(len(rows), 10, option)
            self.assertNotEqual(rows, reference, option)
        self.assertEqual(self.rows(*self.base, "--fix-res"), reference)

    def test_heatmap_and_offsets(self):
        out = self.folder / "out"
        picture = write_ppm(self.folder / "a.ppm", 200, 150)
        self.ok("detect", picture, "--model", BCCD, "--output", out, "--heatmap", "--show-offsets")
        names = ["a.ppm", "a_heatmap.ppm", "a_offsets.ppm"]
        self.assertEqual(sorted(path.name for path in out.iterdir()), names)
        bodies = {read_ppm(out / name) for name in names}
        self.assertEqual({body[:2] for body in bodies}, {(200, 150)})
        self.assertEqual(len(bodies), 3)
        first = (out / "a_offsets.ppm").read_bytes()
        self.ok("detect", picture, "--model", BCCD, "--output", out, "--show-offsets=deconv_layers.0")
        self.assertNotEqual((out / "a_offsets.ppm").read_bytes(), first, "another layer looks elsewhere")

    def test_labels_and_annotations(self):
        labels = self.folder / "labels.json"
        labels.write_text(json.dumps(["red", "white", "platelet"]))
        self.assertIn("red", {row["label"] for row in self.rows(*self.base, "--labels", labels)})
        annotations = json.loads(ANNOTATIONS.read_text())
        annotations["categories"] = [{"id": 70, "name": "WBC"}, {"id": 50, "name": "RBC"}]
        own = self.save("own.json", annotations)
        done = self.ok("detect", *self.base, "--annotations", own, "--json", "-")
        self.assertIn("Platelets", done.stderr)
        rows = json.loads(done.stdout)
        self.assertEqual({(row["label"], row["category_id"]) for row in rows}, {("RBC", 50), ("WBC", 70)})

    def test_quiet_and_model_from_the_environment(self):
        done = self.ok("detect", PICTURES[0], "--quiet", env={"CENTERNET_MODEL": str(BCCD)})
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_csv_on_standard_output(self):
        done = self.ok("detect", *self.base, "--csv", "-")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertGreater(len(rows), 5)
        self.assertTrue(all(float(row["score"]) >= 0.3 for row in rows))
        self.assertIn(PICTURES[0].name, done.stderr)

    def test_multi_pose(self):
        model = MODELS / "multi_pose_dla_34.safetensors"
        picture = write_ppm(self.folder / "a.ppm")
        out, table = self.folder / "out", self.folder / "t.csv"
        rows = self.rows(picture, "--model", model, "--input-size", "128x128", "--output", out, "--csv", table,
                         "--threshold", "0")
        self.assertEqual(len(rows), 100)
        for row in rows:
            self.assertEqual(len(row["keypoints"]), 51)
            self.assertEqual(set(row["keypoints"][2::3]), {1})
        with table.open(newline="") as file:
            first = next(csv.DictReader(file))
        self.assertEqual(float(first["nose_x"]), rows[0]["keypoints"][0])
        self.assertEqual(float(first["right_ankle_y"]), rows[0]["keypoints"][49])
        self.assertNotEqual(read_ppm(out / "a.ppm")[2], b"".join(pixels(96, 64)))

    def test_ddd(self):
        model = MODELS / "ddd_dla_34.safetensors"
        picture = write_ppm(self.folder / "a.ppm", 320, 96)
        arguments = (picture, "--model", model, "--input-size", "96x320", "--threshold", "0")
        rows = self.rows(*arguments, "--output", self.folder / "out", "--csv", self.folder / "t.csv")
        self.assertTrue(rows)
        for row in rows:
            self.assertEqual((len(row["dim"]), len(row["loc"])), (3, 3))
            self.assertTrue({"alpha", "rot_y"} <= set(row))
        with (self.folder / "t.csv").open(newline="") as file:
            self.assertEqual(float(next(csv.DictReader(file))["z_m"]), rows[0]["loc"][2])
        calibration = self.folder / "calib.txt"
        calibration.write_text("P0: 1\nP2: 350 0 302 22 0 350 90 -0.2 0 0 1 0.005\n")
        self.assertNotEqual(self.rows(*arguments, "--camera-matrix", calibration)[0]["loc"], rows[0]["loc"])


class InterruptTest(DetectTest):
    def test_control_c_keeps_what_is_done(self):
        folder = self.folder / "photos"
        folder.mkdir()
        for i in range(400):
            os.link(shutil.copy(PICTURES[0], self.folder / "p.jpg"), folder / f"{i:03}.jpg")
        out, results = self.folder / "out", self.folder / "a.json"
        process = subprocess.Popen([PROGRAM, "detect", folder, "--model", BCCD, "--output", out, "--json", results],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 300
        while not (out.is_dir() and len([p for p in out.iterdir() if p.name[0] != "."]) >= 3):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("interrupted", stderr)
        done = sorted(path.name for path in out.iterdir())
        self.assertLess(len(done), 400)
        self.assertEqual(done, [f"{i:03}.jpg" for i in range(len(done))])
        self.assertEqual(sorted({row["file_name"] for row in json.loads(results.read_text())}), done)
        self.assertIn(f"{len(done)} images", stdout)
        self.assertEqual(self.leftovers(), [])


if __name__ == "__main__":
    unittest.main()
