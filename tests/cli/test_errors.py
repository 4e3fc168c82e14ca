"""Every mistake that a user can make is one line that says what is wrong and what to do, with exit code 2; nothing that
is half-written stays under its final name."""

import json
import unittest

from program import BCCD, BCCD_PICTURES, ProgramTest, write_ppm


class UsageTest(ProgramTest):
    def test_commands_and_options(self):
        self.fails(says="no command given; see centernet --help")
        self.fails("recognise", says="there is no command \"recognise\"")
        self.fails("detect", says=["no input given", "camera:0", "see centernet detect --help"])
        self.fails("detect", "a.jpg", "--fast", says=["--fast", "see centernet detect --help"])
        self.fails("convert", "a", "b", "c", says=["c", "see centernet convert --help"])
        self.fails("detect", "a.jpg", "--threshold", "2", says=["--threshold", "\"2\" is not a number from 0 to 1"])
        self.fails("detect", "a.jpg", "--top-k", "many", says=["--top-k", "\"many\""])
        self.fails("detect", "a.jpg", "--batch", "0", says=["--batch", "from 1"])
        self.fails("detect", "a.jpg", "--dtype", "fp64", says=["--dtype", "fp32", "bf16"])
        self.fails("detect", "a.jpg", "--memory-format", "x", says=["--memory-format", "nhwc"])
        self.fails("detect", "a.jpg", "--keep-res", "--fix-res", says=["--keep-res", "--fix-res"])
        self.fails("detect", "a.jpg", "--scales", "0.5,x", says=["--scales", "0.5,1,1.5"])
        self.fails("detect", "a.jpg", "--input-size", "big", says=["--input-size", "512x512"])
        self.fails("detect", "a.jpg", "--camera-matrix", "1,2,3", says=["--camera-matrix", "3 numbers", "12"])
        self.fails("detect", "a.jpg", "--heatmap", says=["--heatmap", "--output"])
        self.fails("detect", "a.jpg", "--show-offsets", says=["--show-offsets", "--output"])
        self.fails("detect", "a.jpg", "--json", "-", "--csv", "-", says=["--json", "--csv"])
        self.fails("bench", "--repeats", "0", says="--repeats")


class InputTest(ProgramTest):
    def test_inputs(self):
        empty = self.folder / "empty"
        empty.mkdir()
        (empty / "notes.txt").write_text("no picture")
        self.fails("detect", empty, "--model", BCCD, says=["empty", "no pictures in this folder", ".png"])
        self.fails("detect", self.folder / "no.jpg", "--model", BCCD, says="no.jpg: no such file or folder")
        self.fails("detect", self.folder / "*.gif", "--model", BCCD, says="no file matches this pattern")
        self.fails("detect", "camera:first", "--model", BCCD, says="camera:0")
        self.fails("detect", "-", "--model", BCCD, stdin="\n", says="the list is empty")
        self.fails("detect", "", "--model", BCCD, says="an input is empty")
        self.fails("detect", write_ppm(self.folder / "a.ppm"), "--model", BCCD, "--output", self.folder / "out",
                   "--show-offsets", "up.1", says=["up.1", "--show-offsets=LAYER"])

    def test_an_output_never_replaces_an_input(self):
        picture = write_ppm(self.folder / "a.ppm")
        before = picture.read_bytes()
        self.fails("detect", picture, "--model", BCCD, "--output", self.folder, says=["a.ppm", "choose another folder"])
        self.assertEqual(picture.read_bytes(), before)


class ModelTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.picture = write_ppm(self.folder / "a.ppm")

    def test_models(self):
        self.fails("detect", self.picture, says=["--model FILE", "CENTERNET_MODEL"])
        self.fails("detect", self.picture, "--model", self.folder / "no.pth", says=["no.pth", "No such file"])
        text = self.folder / "text.pth"
        text.write_text("This is not a checkpoint.\n" * 40)
        for command in (["detect", self.picture, "--model", text], ["inspect", text], ["bench", "--model", text],
                        ["convert", text, self.folder / "o.safetensors"]):
            self.fails(*command, says="text.pth")
        (self.folder / "empty.pth").touch()
        self.fails("detect", self.picture, "--model", self.folder / "empty.pth", says="empty.pth")
        self.fails("detect", self.picture, "--model", self.folder, says=str(self.folder))
        half = self.folder / "half.safetensors"
        half.write_bytes(BCCD.read_bytes()[:200000])
        self.fails("detect", self.picture, "--model", half, says="half.safetensors")
        self.fails("detect", self.picture, "--model", BCCD, "--arch", "vgg", says="vgg")

    def test_labels(self):
        labels = self.folder / "labels.txt"
        labels.write_text("RBC\nWBC\n")
        self.fails("detect", self.picture, "--model", BCCD, "--labels", labels, says=["2", "3"])
        labels.write_text("\n")
        self.fails("detect", self.picture, "--model", BCCD, "--labels", labels, says=["labels.txt", "no names"])
        self.fails("detect", self.picture, "--model", BCCD, "--labels", self.folder / "no.txt", says="no.txt")
        self.fails("detect", self.picture, "--model", BCCD, "--classes", "RBC,unicorn",
                   says=["--classes", "unicorn", "RBC, WBC, Platelets"])
        self.fails("detect", self.picture, "--model", BCCD, "--classes", "3", says=["--classes", "\"3\""])

    def test_devices(self):
        self.fails("detect", self.picture, "--model", BCCD, "--device", "toaster", says="toaster")
        self.fails("detect", self.picture, "--model", BCCD, "--device", "99", says="99")
        devices = json.loads(self.ok("devices", "--json").stdout)
        if not any(device["kind"] == "gpu" and device["usable"] for device in devices):
            for command in (["detect", self.picture, "--model", BCCD], ["inspect", BCCD], ["bench", "--model", BCCD]):
                self.fails(*command, "--device", "gpu", says="gpu")

    def test_network_options(self):
        self.fails("detect", self.picture, "--model", BCCD, "--input-size", "100x100", says=["100", "32"])
        self.fails("inspect", BCCD, "--input-size", "100x128", says=["100", "32"])
        self.fails("inspect", says="--model FILE")
        self.fails("detect", self.picture, "--model", BCCD, "--output", self.folder / "out",
                   "--show-offsets=nowhere", says=["nowhere", "deconv_layers"])


class OutputTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.picture = write_ppm(self.folder / "a.ppm")

    def detect(self, *arguments, says, **options):
        self.fails("detect", self.picture, "--model", BCCD, *arguments, says=says, **options)
        self.assertEqual(self.leftovers(), [])

    def test_places_that_cannot_be_written(self):
        (self.folder / "file").write_text("x")
        self.detect("--output", self.folder / "file", says=["file", "a file has the name of a folder"])
        self.detect("--output", self.folder / "file" / "out", says="file/out: cannot be written")
        self.detect("--output", "/proc/out", says="/proc/out: cannot be written")
        self.detect("--json", self.folder / "no" / "a.json", says=["no/a.json", "make the folder first"])
        self.detect("--json", self.folder, says="give the name of a file")
        self.detect("--csv", "/proc/a.csv", says="/proc/a.csv: cannot be written")

    def test_a_full_disk(self):
        self.detect("--json", "/dev/full", says=["/dev/full", "No space left on device", "free some space"])
        self.detect("--csv", "/dev/full", says="No space left on device")
        self.detect("--json", "-", says=["standard output", "No space left"], shell="{} > /dev/full")
        self.fails("devices", says=["standard output", "No space left"], shell="{} > /dev/full")
        self.fails("--help", says=["standard output", "No space left"], shell="{} > /dev/full")

    def test_a_limit_on_file_sizes(self):
        out = self.folder / "out"
        self.fails("detect", write_ppm(self.folder / "big.ppm", 400, 300), "--model", BCCD, "--output", out, "--json",
                   self.folder / "a.json", says=["big.ppm", "File too large", "ulimit -f"], shell="ulimit -f 100; {}")
        self.assertEqual(list(out.iterdir()), [])
        self.assertFalse((self.folder / "a.json").exists())
        self.assertEqual(self.leftovers(), [])

    def test_annotations_that_do_not_fit(self):
        annotations = json.loads((BCCD_PICTURES / "annotations.json").read_text())
        self.detect("--annotations", BCCD_PICTURES / "annotations.json", says=["--annotations", "a.ppm"])
        renamed = {**annotations, "categories": [{"id": 1, "name": "boat"}]}
        self.detect("--annotations", self.save("b.json", renamed), says=["b.json", "boat", "--labels"])
        self.detect("--annotations", self.picture, says="a.ppm")

    def test_eval(self):
        annotations = BCCD_PICTURES / "annotations.json"
        self.fails("eval", "--images", self.folder, "--annotations", annotations, "--model", BCCD,
                   says=["--images", "none of the 6 images", "BloodImage"])
        self.fails("eval", "--images", BCCD_PICTURES, "--annotations", annotations, says="--model FILE")

    def test_convert(self):
        self.fails("convert", BCCD, self.folder / "a.pth", says=".safetensors")
        self.fails("convert", BCCD, self.folder / "no" / "a.safetensors", says="a.safetensors")
        self.fails("convert", self.folder / "no.pth", self.folder / "a.safetensors", says="no.pth")
        self.fails("convert", BCCD, self.folder / "a.safetensors", shell="ulimit -f 100; {}", says="a.safetensors")
        self.assertFalse((self.folder / "a.safetensors").exists())
        self.assertEqual([path.name for path in self.folder.iterdir()], ["a.ppm"])


if __name__ == "__main__":
    unittest.main()
