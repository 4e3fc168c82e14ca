#!/usr/bin/env python3
"""Writes the checkpoints beside this file, and what a reader must make of them.

    pip install torch numpy safetensors
    python make_fixtures.py            # rewrites *.pth, *.safetensors, expected.json, bad/*, bad/expected.json

Good files are written by PyTorch and safetensors themselves (the Python 2 one by hand, instruction by instruction, as
PyTorch 0.4 under Python 2 wrote it); expected.json holds the dense bytes of each tensor as PyTorch sees them. Bad
files are hand-made or good ones damaged; bad/expected.json holds the error's code and what its message must say.
"""
import argparse
import collections
import io
import json
import pathlib
import pickle
import struct
import warnings
import zipfile

import numpy as np
import safetensors.torch
import torch

import bad_files

HERE = pathlib.Path(__file__).resolve().parent
TYPES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.float64: "f64",
         torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8",
         torch.bool: "bool"}


def describe(tensors, form, metadata=None):
    """The expected.json entry of a file that must load as these tensors."""
    out = {}
    for name, t in tensors.items():
        dense = t.detach().contiguous().reshape(-1)
        raw = dense.view(torch.uint8) if dense.numel() and dense.dtype != torch.bool else dense.to(torch.uint8)
        out[name] = {"type": TYPES[t.dtype], "sizes": list(t.shape), "bytes": raw.numpy().tobytes().hex()}
    return {"format": form, "tensors": out, "metadata": metadata or {}}


def small_model():
    torch.manual_seed(1)
    return torch.nn.Sequential(collections.OrderedDict(
        conv=torch.nn.Conv2d(2, 3, 3), bn=torch.nn.BatchNorm2d(3), fc=torch.nn.Linear(3, 2)))


def trained_model():
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters(), 1.25e-4)
    model.fc(model.bn(model.conv(torch.randn(2, 2, 4, 4))).mean((2, 3))).sum().backward()
    optimizer.step()
    return model, optimizer


def all_types():
    torch.manual_seed(2)
    out = collections.OrderedDict()
    for dtype, name in TYPES.items():
        values = torch.randn(2, 3) * 50
        out[name] = values > 0 if dtype == torch.bool else values.abs().to(dtype) if name == "u8" else values.to(dtype)
    out["scalar"] = torch.tensor(3.25)
    out["empty"] = torch.zeros(0, 4)
    out["special"] = torch.tensor([float("inf"), float("-inf"), float("nan"), -0.0, 1e-45])
    return out


def views():
    base = torch.arange(48, dtype=torch.float32)
    image = base.reshape(2, 3, 2, 4)
    return collections.OrderedDict(
        base=base, reshaped=image, transposed=base.reshape(6, 8).t(), channels_last=image.permute(0, 3, 1, 2),
        tail=base[40:], every_third=base[1::3], block=base.reshape(6, 8)[1:4, 2:5],
        expanded=base[5:6].expand(2, 3), expanded_rows=base[4:7].expand(2, 3), diagonal=base.reshape(6, 8).diagonal(),
        ones=base.as_strided((1, 1, 4, 1), (99, 98, 2, 97)), copy=base.clone())


def extras():
    """Values that training scripts put beside the weights."""
    counter = collections.Counter("aab")
    loop = []
    loop.append(loop)
    return {
        "epoch": 140, "best": np.float64(0.374), "scalar32": np.float32(1.5), "array": np.arange(3),
        "opt": argparse.Namespace(arch="dla_34", heads={"hm": 80, "wh": 2}, lr=1.25e-4), "big": 2 ** 80, "minus": -7,
        "large": 2 ** 40, "text": "\u00e9\u4e2d", "bytes": b"\x00\xff", "array_of_bytes": bytearray(b"ab"),
        "set": {1, 2}, "frozen": frozenset([3]), "complex": 1 + 2j, "default": collections.defaultdict(list, a=[1]),
        "counter": counter, "size": torch.Size([2, 3]), "device": torch.device("cpu"), "dtype": torch.float16,
        "none": None, "flags": (True, False), "loop": loop, "half": torch.ones(2, dtype=torch.complex64),
        "u16": torch.ones(2, dtype=torch.uint16), "f8": torch.ones(2).to(torch.float8_e4m3fn),
    }


def rezip(source, compression, names=lambda name: name):
    """The same entries in another zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for item in old.infolist():
            new.writestr(zipfile.ZipInfo(names(item.filename)), old.read(item), compression)
    return out.getvalue()


class Python2Pickler:
    """The instructions that Python 2's pickle uses at protocol 2 and Python 3's never does: str as SHORT_BINSTRING or
    BINSTRING, int beyond 32 bits as text, OrderedDict made of a list of [key, value] lists."""

    def __init__(self):
        self.out = bytearray(b"\x80\x02")
        self.count = 0

    def put(self):
        self.out += b"q" + bytes([self.count]) if self.count < 256 else b"r" + struct.pack("<I", self.count)
        self.count += 1

    def text(self, value):
        self.out += b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
        self.put()

    def integer(self, value):
        if 0 <= value < 256:
            self.out += b"K" + bytes([value])
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        elif -2 ** 31 <= value < 2 ** 31:
            self.out += b"J" + struct.pack("<i", value)
        else:
            self.out += b"I%d\n" % value

    def globl(self, module, name):
        self.out += b"c" + module + b"\n" + name + b"\n"
        self.put()

    def tuple(self, *parts):
        self.out += b"("
        for part in parts:
            part()
        self.out += b"t"
        self.put()

    def reduce(self, module, name, *arguments):
        self.globl(module, name)
        self.tuple(*arguments)
        self.out += b"R"
        self.put()

    def end(self):
        self.out += b"."
        return bytes(self.out)


def python2_checkpoint(tensors):
    """{'epoch': ..., 'state_dict': OrderedDict} as PyTorch 0.4 under Python 2.7 saved it: the first storage is a window
    of a larger one, names include one that is not ASCII."""
    p = Python2Pickler()

    def storage(kind, key, numel, view=None):
        p.tuple(lambda: p.text(b"storage"), lambda: p.globl(b"torch", kind), lambda: p.text(key),
                lambda: p.text(b"cuda:0"), lambda: p.integer(numel),
                (lambda: p.tuple(lambda: p.text(view[0]), lambda: p.integer(view[1]), lambda: p.integer(view[2])))
                if view else lambda: p.out.extend(b"N"))
        p.out += b"Q"

    def tensor(kind, key, numel, sizes, strides, rebuild, view=None, offset=0):
        def numbers(values):
            p.tuple(*[lambda v=v: p.integer(v) for v in values])
        arguments = [lambda: storage(kind, key, numel, view), lambda: p.integer(offset), lambda: numbers(sizes),
                     lambda: numbers(strides)]
        if rebuild == b"_rebuild_tensor_v2":
            arguments += [lambda: p.out.extend(b"\x89"),
                          lambda: p.reduce(b"collections", b"OrderedDict", lambda: p.out.extend(b"]"))]
        p.reduce(b"torch._utils", rebuild, *arguments)

    items = [
        (b"module.conv.weight", lambda: tensor(b"FloatStorage", b"94001", 8, (2, 3), (3, 1),
                                               b"_rebuild_tensor_v2", (b"94002", 1, 6))),
        (b"module.conv.bias", lambda: tensor(b"FloatStorage", b"94001", 8, (2,), (1,), b"_rebuild_tensor", None, 6)),
        (b"module.caf\xe9.count", lambda: tensor(b"LongStorage", b"94003", 1, (), (), b"_rebuild_tensor_v2")),
        (b"module." + b"long_" * 60 + b"name", lambda: tensor(b"HalfStorage", b"94004", 2, (2,), (1,),
                                                              b"_rebuild_tensor_v2")),
    ]
    p.out += b"}"
    p.put()
    p.out += b"("
    p.text(b"epoch")
    p.integer(140)
    p.text(b"steps")
    p.integer(2 ** 40)
    p.text(b"state_dict")
    p.globl(b"collections", b"OrderedDict")
    p.out += b"(]("
    for name, write in items:
        p.out += b"]("
        p.text(name)
        write()
        p.out += b"e"
    p.out += b"etR"
    p.out += b"u"
    body = p.end()

    q = Python2Pickler()
    q.out += b"]("
    for key in (b"94001", b"94003", b"94004"):
        q.text(key)
    q.out += b"e"
    s = Python2Pickler()
    s.out += b"}("
    s.text(b"protocol_version")
    s.integer(1001)
    s.text(b"little_endian")
    s.out += b"\x88"
    s.text(b"type_sizes")
    s.out += b"}("
    for name, size in ((b"int", 4), (b"long", 8), (b"short", 2)):
        s.text(name)
        s.integer(size)
    s.out += b"uu"
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + s.end()

    base = torch.arange(8, dtype=torch.float32) * 0.5
    count = torch.tensor([2 ** 33])
    half = torch.tensor([1.5, -2.0]).half()
    raw = b"".join(struct.pack("<q", t.numel()) + t.numpy().tobytes() for t in (base, count, half))
    tensors["conv.weight"] = base[1:7].reshape(2, 3)
    tensors["conv.bias"] = base[6:8]
    tensors["caf\u00e9.count"] = count[0]
    tensors["long_" * 60 + "name"] = half
    return head + body + q.end() + raw


def save(value, **options):
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(value, out, **options)
    return out.getvalue()


def good_files():
    """name -> (content, expected)."""
    files = {}
    model, optimizer = trained_model()
    plain = model.state_dict()
    checkpoint = {"epoch": 140, "state_dict": torch.nn.DataParallel(model).state_dict(),
                  "optimizer": optimizer.state_dict()}
    twice = torch.nn.DataParallel(torch.nn.DataParallel(small_model()))
    parameters = model.state_dict(keep_vars=True)
    parameters["conv.bias"].note = "an attribute"  # pickled by _rebuild_parameter_with_state
    for form, options in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
        expect = "pth-" + form
        files[form + "_checkpoint.pth"] = save(checkpoint, **options), describe(plain, expect)
        files[form + "_bare.pth"] = save(plain, **options), describe(plain, expect)
        files[form + "_nested_module.pth"] = (save({"state_dict": twice.state_dict()}, **options),
                                              describe(small_model().state_dict(), expect))
        files[form + "_types.pth"] = save(all_types(), **options), describe(all_types(), expect)
        files[form + "_views.pth"] = save({"model": views()}, **options), describe(views(), expect)
        files[form + "_parameters.pth"] = save(parameters, **options), describe(plain, expect)
        little = {"state_dict": {"w": torch.eye(2), "b": torch.ones(2).half()}}
        beside = dict(extras(), **little)
        files[form + "_extras.pth"] = save(beside, **options), describe(little["state_dict"], expect)
        for protocol in (3, 4, 5):
            files["%s_protocol%d.pth" % (form, protocol)] = (save(checkpoint, pickle_protocol=protocol, **options),
                                                            describe(plain, expect))
    zipped = files["zip_bare.pth"][0]
    expected = files["zip_bare.pth"][1]
    files["zip_deflated.pth"] = rezip(zipped, zipfile.ZIP_DEFLATED), expected
    files["zip_no_folder.pth"] = rezip(zipped, zipfile.ZIP_STORED, lambda name: name.split("/", 1)[1]), expected
    torch.serialization.set_crc32_options(False)
    files["zip_no_crc.pth"] = save(plain), expected
    torch.serialization.set_crc32_options(True)
    python2 = {}
    content = python2_checkpoint(python2)
    files["legacy_python2.pth"] = content, describe(python2, "pth-legacy")

    tensors = {name: t.clone() for name, t in all_types().items()}
    metadata = {"arch": "dla_34", "labels": "[\"fish\", \"\u00e9\"]"}
    files["types.safetensors"] = (safetensors.torch.save(tensors, metadata), describe(tensors, "safetensors", metadata))
    files["empty.safetensors"] = safetensors.torch.save({}), describe({}, "safetensors")
    return files


def self_check(files):
    """What PyTorch itself reads from the legacy Python 2 file."""
    loaded = torch.load(io.BytesIO(files["legacy_python2.pth"][0]), map_location="cpu", encoding="latin1",
                        weights_only=False)
    for name, t in loaded["state_dict"].items():
        want = files["legacy_python2.pth"][1]["tensors"][name[len("module."):]]
        assert t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex() == want["bytes"], name


def rounding():
    """f32 and f64 bit patterns around every kind of tie, and PyTorch's f16 and bf16 of them."""
    rng = np.random.default_rng(3)
    halves = np.arange(0, 0x7C00, 61, dtype=np.uint16).view(np.float16).astype(np.float64)
    brains = torch.arange(0, 0x7F80, 127, dtype=torch.int16).view(torch.bfloat16).double().numpy()
    values = []
    for grid in (halves, brains):
        middle = (grid[:-1] + np.append(grid[1:], grid[-1])[:-1]) / 2
        values += [grid, middle]
    f32 = np.concatenate(values).astype(np.float32)
    f32 = np.concatenate([f32, np.nextafter(f32, np.float32(np.inf)), np.nextafter(f32, np.float32(-np.inf)), -f32])
    f32 = f32[np.abs(f32) < 65520]
    picked = np.sort(rng.choice(len(f32), 900, replace=False))
    f32 = f32[picked]
    even = np.concatenate([np.arange(1, 60) * 2.0 ** -25, 2048 + np.arange(1, 20), [65519.996, 6.0e-8, 2.98e-8, 2.0 ** -133]])
    f32 = np.concatenate([f32, even.astype(np.float32), -even.astype(np.float32)])
    # Doubles a hair off a tie, which rounding by way of f32 gets wrong.
    ties = (halves[1:80] + halves[2:81]) / 2
    f64 = np.concatenate([ties * (1 + 2.0 ** -45), ties * (1 - 2.0 ** -45), ties, [1 + 2.0 ** -8 + 2.0 ** -40]])
    out = {}
    for name, array in (("f32", f32), ("f64", f64)):
        t = torch.from_numpy(array)
        half = torch.from_numpy(array.astype(np.float16))  # NumPy rounds f64 once
        assert name == "f64" or torch.equal(half.view(torch.int16), t.half().view(torch.int16))
        out[name] = {"bits": array.tobytes().hex(), "f16": half.view(torch.uint8).numpy().tobytes().hex()}
        if name == "f32":
            out[name]["bf16"] = t.bfloat16().view(torch.uint8).numpy().tobytes().hex()
    return out


def main():
    files = good_files()
    self_check(files)
    expected = {}
    for name, (content, description) in sorted(files.items()):
        (HERE / name).write_bytes(content)
        expected[name] = description
    write_json(HERE / "expected.json", expected)
    write_json(HERE / "rounding.json", rounding())

    bad = bad_files.make({name: content for name, (content, _) in files.items()}, save)
    folder = HERE / "bad"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, (content, _, _) in bad.items():
        (folder / name).write_bytes(content)
    write_json(folder / "expected.json",
               {name: {"code": code, "says": says} for name, (_, code, says) in sorted(bad.items())})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
