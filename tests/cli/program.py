"""What the tests of the program share: running it, and small files made from rules."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["CENTERNET"]
BCCD = ROOT / "models/bccd_tiny.safetensors"
BCCD_PICTURES = ROOT / "tests/data/bccd"
MODELS = pathlib.Path(os.environ["TEST_DATA"]) / "parity"


def run(*arguments, stdin="", env=None, timeout=600, cwd=None, shell=None):
    """Runs the program; with `shell`, through bash with the command line in place of {}."""
    command = [PROGRAM, *map(str, arguments)]
    if shell is not None:
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
        command = ["bash", "-c", shell.replace("{}", words)]
    clean = {key: value for key, value in os.environ.items() if key != "CENTERNET_MODEL"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, cwd=cwd,
                          env={**clean, **(env or {})})


def pixels(width, height, seed=0):
    """Rows of B, G, R bytes: soft stripes, different for each seed."""
    return [bytes((x * 5 + y * 3 * channel + 41 * seed) % 256 for x in range(width) for channel in range(3))
            for y in range(height)]


def write_ppm(path, width=96, height=64, seed=0):
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + b"".join(pixels(width, height, seed)))
    return path


def write_png(path, width=96, height=64, seed=0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row for row in pixels(width, height, seed))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def read_ppm(path):
    """Width, height and the bytes of the pixels."""
    kind, size, depth, body = path.read_bytes().split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255"), path
    width, height = map(int, size.split())
    assert len(body) == 3 * width * height, path
    return width, height, body


def write_avi(path, width=96, height=64, frames=12, rate=10):
    """An AVI file of raw frames."""
    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def group(kind, data):
        return chunk(b"LIST", kind + data)

    size = width * height * 3
    main = struct.pack("<14I", 1000000 // rate, size * rate, 0, 0x10, frames, 0, 1, size, width, height, 0, 0, 0, 0)
    stream = b"vidsDIB " + struct.pack("<10I4H", 0, 0, 0, 1, rate, 0, frames, size, 0xFFFFFFFF, 0, 0, 0, width, height)
    bitmap = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    header = group(b"hdrl", chunk(b"avih", main) + group(b"strl", chunk(b"strh", stream) + chunk(b"strf", bitmap)))
    body = b"".join(chunk(b"00db", b"".join(reversed(pixels(width, height, seed)))) for seed in range(frames))
    riff = b"AVI " + header + group(b"movi", body)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(riff)) + riff)
    return path


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="centernet-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def ok(self, *arguments, code=0, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result

    def fails(self, *arguments, says, code=2, **options):
        """One line on standard error that begins as it should and holds all of `says`."""
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}\n{result.stdout}\n{result.stderr}")
        lines = [line for line in result.stderr.splitlines() if not line.startswith("Detecting: ")]  # progress
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("centernet: error: "), lines[0])
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, lines[0])
        return result

    def leftovers(self):
        """Hidden files, as unfinished outputs are."""
        return [str(path) for path in self.folder.rglob(".*")]

    def save(self, name, document):
        path = self.folder / name
        path.write_text(json.dumps(document))
        return path
