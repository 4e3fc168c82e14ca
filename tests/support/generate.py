#!/usr/bin/env python3
"""Write the test data that is derived from rules instead of stored: parity checkpoints and operator inputs.

    generate.py OUT_DIR

OUT_DIR/parity/<model>.safetensors   the five synthetic checkpoints of tests/data/parity
OUT_DIR/parity/<model>.pth           the same as PyTorch's zip format, {'epoch', 'state_dict'}
OUT_DIR/ops/<case>_<array>.npy       inputs of the operator cases, float32
Needs numpy only. Does nothing when OUT_DIR is up to date with this script and the rules.
"""
import hashlib
import importlib.util
import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

PARITY = Path(__file__).resolve().parent.parent / "data" / "parity"
SAFETENSORS_TYPES = {"float32": "F32", "int64": "I64"}


def load_rule(name):
    spec = importlib.util.spec_from_file_location(name, PARITY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save_safetensors(path, tensors):
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": SAFETENSORS_TYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


class Storage:
    """Stands for a torch storage while pickling: becomes a persistent id."""

    def __init__(self, kind, key, count):
        self.kind, self.key, self.count = kind, key, count


class Global:
    """Pickles as a reference to module.name, which need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise TypeError("only to be pickled")


class TensorRecord:
    """Pickles as torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())."""

    def __init__(self, storage, shape):
        self.storage, self.shape = storage, tuple(shape)

    def __reduce__(self):
        stride, step = [], 1
        for extent in reversed(self.shape):
            stride.append(step)
            step *= extent
        import torch._utils
        return torch._utils._rebuild_tensor_v2, (self.storage, 0, self.shape, tuple(reversed(stride)), False, OrderedDict())


def fake_torch():
    """Just enough of torch's module names for pickle to write references to them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        raise TypeError("only to be pickled")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return {"torch": torch, "torch._utils": utils}


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", obj.kind, obj.key, "cpu", obj.count)
        return None


def save_pth(path, tensors):
    modules = fake_torch()
    sys.modules.update(modules)
    try:
        kinds = {"float32": modules["torch"].FloatStorage, "int64": modules["torch"].LongStorage}
        state = OrderedDict()
        for key, (name, array) in enumerate(tensors.items()):
            state[name] = TensorRecord(Storage(kinds[str(array.dtype)], str(key), array.size), array.shape)
        text = io.BytesIO()
        Pickler(text, protocol=2).dump({"epoch": 140, "state_dict": state})
    finally:
        for name in modules:
            del sys.modules[name]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", text.getvalue())
        for key, array in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(array).tobytes())
        archive.writestr("archive/version", "3\n")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    sources = [Path(__file__), *sorted(PARITY.glob("*.py")), *sorted((PARITY / "manifests").iterdir()),
               *sorted((PARITY / "ops").glob("*.json"))]
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp_file = out / "stamp"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        print("test data is up to date in", out)
        return
    (out / "parity").mkdir(parents=True, exist_ok=True)
    (out / "ops").mkdir(exist_ok=True)

    checkpoints, inputs = load_rule("make_checkpoint"), load_rule("op_inputs")
    for manifest_file in sorted((PARITY / "manifests").glob("*.json")):
        manifest = json.loads(manifest_file.read_text())
        known = json.loads((PARITY / "models" / manifest_file.name).read_text())
        tensors = checkpoints.state(manifest, known["seed"])
        wrong = [key for key, digest in checkpoints.digests(tensors).items() if known["tensor_sha256_16"].get(key) != digest]
        if wrong:
            sys.exit(f"{manifest_file.stem}: {len(wrong)} tensors differ from their digests, first {wrong[0]}")
        save_safetensors(out / "parity" / f"{manifest_file.stem}.safetensors", tensors)
        save_pth(out / "parity" / f"{manifest_file.stem}.pth", tensors)
        print("wrote", manifest_file.stem, flush=True)
    for case_file in ("dcn_cases.json", "psroi_cases.json"):
        cases = json.loads((PARITY / "ops" / case_file).read_text())["cases"]
        for case in cases:
            for name, array in inputs.make(case).items():
                np.save(out / "ops" / f"{case['id']}_{name}.npy", array)
        print("wrote the inputs of", len(cases), "cases of", case_file, flush=True)
    stamp_file.write_text(stamp)


if __name__ == "__main__":
    main()
