"""Damaged, hostile and mistaken files for make_fixtures.py."""
import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import torch

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def zip_of(entries, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def pth(body, storages=None):
    """A zip checkpoint around a hand-written pickle."""
    entries = {"archive/data.pkl": body, "archive/version": b"3\n"}
    for key, content in (storages or {"0": struct.pack("<4f", 1, 2, 3, 4)}).items():
        entries["archive/data/" + key] = content
    return zip_of(entries)


def legacy(body, keys=b"\x80\x02].", storages=b"", little=True):
    info = pickle.dumps({"protocol_version": 1001, "little_endian": little, "type_sizes": {}}, 2)
    return MAGIC + pickle.dumps(1001, 2) + info + body + keys + storages


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def ints(values):
    return b"(" + b"".join(number(v) for v in values) + b"t"


def tensor(sizes, strides, offset=0, numel=4, kind="FloatStorage", key="0", function="_rebuild_tensor_v2"):
    storage = (b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + number(numel) +
               b"tQ")
    return (b"ctorch._utils\n" + function.encode() + b"\n(" + storage + number(offset) + ints(sizes) + ints(strides) +
            b"\x89NtR")


def state(*items):
    """A pickle of {name: tensor, ...}."""
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in items) + b"u."


def safetensors(header, data=b""):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def f32(begin, end, sizes=None):
    return {"dtype": "F32", "shape": [(end - begin) // 4] if sizes is None else sizes, "data_offsets": [begin, end]}


def flip(content, position):
    out = bytearray(content)
    out[position] ^= 0x40
    return bytes(out)


def mistaken_files(good, save):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name))
    npz = io.BytesIO()
    np.savez(npz, a=np.arange(2))
    npy = io.BytesIO()
    np.save(npy, np.arange(2))
    script = io.BytesIO()

    class Doubler(torch.nn.Module):
        def forward(self, x):
            return x * 2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Doubler(), torch.ones(1)), script)
    with zipfile.ZipFile(script) as archive:  # without the debugging entries, which hold this machine's paths
        parts = {n: archive.read(n) for n in archive.namelist() if "debug" not in n and ".data" not in n}
    oid = "0" * 64
    return {
        "empty.pth": (b"", "is empty"),
        "text.pth": (b"These are my weights,\nreally.\n", "a text file (it begins with \"These are my weights,\")"),
        "page.pth": (b"\n<!DOCTYPE html>\n<html><title>Quota exceeded</title></html>\n", "a web page"),
        "error.pth": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
        "pointer.pth": (("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % oid).encode(),
                        "git lfs pull"),
        "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        "random.pth": (bytes((i * 37 + 200) % 256 for i in range(600)), "begins with the bytes c8 ed 12"),
        "short.pth": (b"\x01", "begins with the bytes 01"),
        "gzip.pth": (gzip.compress(good["zip_bare.pth"], mtime=0), "gunzip"),
        "hdf5.pth": (b"\x89HDF\r\n\x1a\n" + bytes(32), "HDF5"),
        "array.npy.pth": (npy.getvalue(), "a NumPy array"),
        "tar.pth": (tar.getvalue()[:2048], "before PyTorch 0.1.10"),
        "archive.npz.pth": (npz.getvalue(), "no data.pkl (it holds a.npy)"),
        "empty_zip.pth": (zip_of({}), "it holds nothing"),
        "script.pth": (zip_of(parts), "TorchScript"),
        "whole_model_zip.pth": (save(torch.nn.Linear(1, 1)), "torch.nn.modules.linear.Linear"),
        "whole_model_legacy.pth": (legacy(b"\x80\x02(U\x06modulectorch.nn.modules.linear\nLinear\nNNtQ)R."),
                                   "torch.nn.modules.linear.Linear"),
        "plain_pickle.pth": (pickle.dumps({"a": 1}, 4), "not one of torch.save"),
        "one_tensor.pth": (save(torch.ones(2)), "holds a tensor, expected a state dict"),
        "list.pth": (save([torch.ones(2)]), "holds a list"),
        "no_tensors.pth": (save({"epoch": 3, "lr": 0.1, 7: None}), "the file holds epoch, lr, an integer"),
        "complex.pth": (save({"a": torch.ones(2, dtype=torch.complex64)}), "torch.ComplexFloatStorage is not supported"),
        "uint16.pth": (save({"a": torch.ones(2, dtype=torch.uint16)}), "torch.uint16 is not supported"),
        "twice.pth": (save({"a": torch.ones(2), "module.a": torch.zeros(2)}), "tensor a occurs twice"),
    }


def hostile_pickles(save):
    del save
    posix = pickle.dumps({"state_dict": Calls(os.system, "echo executed > executed.txt")}, 2)
    evil = pickle.dumps(Calls(eval, "1+1"), 4)
    loop = b"\x80\x02}q\x00(" + text("state_dict") + b"h\x00u."
    inside = b"\x80\x02]q\x00(h\x00h\x00e."
    laughs = b"\x80\x02]q\x00" + b"".join(b"]q%c(%se" % (i, b"h%c" % (i - 1) * 10) for i in range(1, 60)) + b"."
    one = tensor([2], [1])
    big = 2 ** 40
    return {
        "system_zip.pth": (pth(posix), "\"posix.system\""),
        "system_legacy.pth": (legacy(posix), "\"posix.system\""),
        "eval.pth": (pth(evil), "\"builtins.eval\""),
        "eval_python2.pth": (pth(b"\x80\x02c__builtin__\neval\nU\x031+1\x85R."), "\"__builtin__.eval\""),
        "name_with_control.pth": (pth(b"\x80\x02c\x1b[2J\nx\xff\n."), "\\x1b[2J.x\\xff"),
        "cyclic_dict.pth": (pth(loop), "no tensors found"),
        "cyclic_list.pth": (pth(inside), "holds a list"),
        "billion_laughs.pth": (pth(laughs), "holds a list"),
        "nested_tuples.pth": (pth(b"\x80\x02)" + b"\x85" * 4000 + b"."), "holds a tuple"),
        "nested_marks.pth": (pth(b"\x80\x02" + b"(" * 4000 + b"."), "STOP inside"),
        "protocol0.pth": (pth(pickle.dumps({"a": 1}, 0)), "pickle instruction 0x"),
        "protocol9.pth": (pth(b"\x80\x09}."), "protocol 9"),
        "no_stop.pth": (pth(b"\x80\x02}"), "truncated"),
        "string_length.pth": (pth(b"\x80\x02X\xff\xff\xff\xffabc."), "takes 4294967295 bytes"),
        "string_length8.pth": (pth(b"\x80\x04\x8d" + b"\xff" * 8 + b"abc."), "takes 18446744073709551615 bytes"),
        "frame_length.pth": (pth(b"\x80\x04\x95" + b"\xff" * 8 + b"}."), "truncated"),
        "long_length.pth": (pth(b"\x80\x02\x8b\xff\xff\xff\x7f\x01."), "takes 2147483647 bytes"),
        "endless_name.pth": (pth(b"\x80\x02c" + b"a" * 2000), "does not end within"),
        "no_memo.pth": (pth(b"\x80\x02h\x07."), "memo entry 7"),
        "underflow.pth": (pth(b"\x80\x020."), "the stack is empty"),
        "underflow_below_mark.pth": (pth(b"\x80\x02}(\x85."), "the stack is empty"),
        "no_mark.pth": (pth(b"\x80\x02}u."), "no mark"),
        "odd_dict.pth": (pth(b"\x80\x02}(Nu."), "a dict key without a value"),
        "append_to_tuple.pth": (pth(b"\x80\x02)Na."), "items added to a tuple"),
        "build_tuple.pth": (pth(b"\x80\x02)}b."), "attributes set on a tuple"),
        "call_string.pth": (pth(b"\x80\x02U\x01a)R."), "a string is called"),
        "call_with_list.pth": (pth(b"\x80\x02ccollections\nOrderedDict\n]R."), "arguments are a list"),
        "call_storage.pth": (pth(b"\x80\x02ctorch\nFloatStorage\n)R."), "\"torch.FloatStorage\" is called"),
        "dict_of_numbers.pth": (pth(b"\x80\x02ccollections\nOrderedDict\n](K\x01e\x85R."), "something else than pairs"),
        "persistent_text.pth": (pth(b"\x80\x02U\x01aQ."), "a persistent id that is not a tuple"),
        "persistent_module.pth": (pth(b"\x80\x02U\x06moduleNN\x87Q."), "a persistent id that is not a storage"),
        "storage_class.pth": (pth(state(("a", tensor([1], [1], kind="Size")))), "\"torch.Size\" is not a storage class"),
        "few_arguments.pth": (pth(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."), "a tensor's storage is missing"),
        "from_type_nested.pth": (pth(b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nq\x00(h\x00N)NtR."),
                                 "does not make a tensor"),
        "negative_size.pth": (pth(state(("a", tensor([-1], [1])))), "a tensor's size is -1"),
        "negative_offset.pth": (pth(state(("a", tensor([1], [1], offset=-1)))), "a tensor's offset is -1"),
        "ranks.pth": (pth(state(("a", tensor([1, 1], [1])))), "2 sizes and 1 strides"),
        "rank65.pth": (pth(state(("a", tensor([1] * 65, [1] * 65)))), "65 dimensions"),
        "outside.pth": (pth(state(("w", tensor([5], [1])))), "tensor w: sizes [5], strides [1] and offset 0 reach outside"),
        "outside_stride.pth": (pth(state(("w", tensor([2, 2], [3, 1])))), "reach outside"),
        "outside_offset.pth": (pth(state(("w", tensor([1], [1], offset=2 ** 62)))), "reach outside"),
        "outside_overflow.pth": (pth(state(("w", tensor([3, 3], [2 ** 62, 2 ** 62])))), "reach outside"),
        "size_overflow.pth": (pth(state(("w", tensor([big, big], [0, 0])))), "do not fit any memory"),
        "expand_bomb.pth": (pth(state(("w", tensor([2 ** 31], [0])))), "at most"),
        "storage_overflow.pth": (pth(state(("w", tensor([1], [1], numel=2 ** 62)))), "storage of 4611686018427387904"),
        "storage_lie.pth": (pth(state(("w", tensor([8], [1], numel=8)))), "has 16 bytes, the pickle says 32"),
        "storage_missing.pth": (pth(state(("w", tensor([4], [1], key="9")))), "archive/data/9 is missing"),
        "storage_twice.pth": (pth(state(("a", one), ("b", tensor([1], [1], kind="HalfStorage", numel=4)))),
                              "has 8 bytes here, 16 elsewhere"),
        "long_name.pth": (pth(state(("n" * 600, one))), "name has 600 bytes"),
        "name_not_utf8.pth": (pth(b"\x80\x02}X\x02\x00\x00\x00\xc3\x28" + one + b"s."), "is not UTF-8"),
        "view_outside.pth": (legacy(
            b"\x80\x02(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(4) + b"(" +
            text("1") + number(3) + number(2) + b"ttQ."), "a view of elements 3 + 2 of a storage of 4"),
    }


def damaged_files(good):
    zipped, old, safe = good["zip_bare.pth"], good["legacy_bare.pth"], good["types.safetensors"]
    names = zipfile.ZipFile(io.BytesIO(zipped))
    data = max(names.infolist(), key=lambda item: item.file_size if "/data/" in item.filename else 0)
    body = zipped.index(names.read(data))
    deflated = bytearray(zip_of({"archive/data.pkl": b"N0" * 2000}, zipfile.ZIP_DEFLATED))
    directory = deflated.index(b"PK\x01\x02")
    struct.pack_into("<I", deflated, directory + 24, 0xF0000000)  # the uncompressed size
    encrypted = bytearray(pth(b"\x80\x02}."))
    for signature, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        encrypted[encrypted.index(signature) + at] |= 1
    big = zip_of({"archive/data.pkl": b"\x80\x02}.", "archive/byteorder": b"big"})
    storage = tensor([4], [1])
    keys = pickle.dumps(["0"], 2)
    return {
        "half.zip.pth": (zipped[:len(zipped) // 2], "truncated or damaged"),
        "cut_end.zip.pth": (zipped[:-1], "truncated or damaged"),
        "flipped.zip.pth": (flip(zipped, body + 5), "CRC error"),
        "claims_huge.pth": (bytes(deflated), "claims 4026531840 bytes"),
        "encrypted.pth": (bytes(encrypted), "encrypted"),
        "big_endian.zip.pth": (big, "not little-endian"),
        "half.legacy.pth": (old[:len(old) // 2], "truncated or damaged"),
        "cut_end.legacy.pth": (old[:-1], "truncated or damaged"),
        "big_endian.legacy.pth": (legacy(b"\x80\x02}.", little=False), "not little-endian"),
        "version.legacy.pth": (MAGIC + pickle.dumps(1002, 2), "other than 1001"),
        "info.legacy.pth": (MAGIC + pickle.dumps(1001, 2) + pickle.dumps([], 2), "is not a dict"),
        "keys.legacy.pth": (legacy(b"\x80\x02}.", b"\x80\x02N."), "is not a list"),
        "unknown_key.legacy.pth": (legacy(b"\x80\x02}.", keys), "names one that no tensor has"),
        "missing_key.legacy.pth": (legacy(state(("w", storage))), "storage 0 is missing"),
        "count.legacy.pth": (legacy(state(("w", storage)), keys, struct.pack("<q", 5) + bytes(20)),
                             "has 5 elements, the pickle says 4"),
        "negative_count.legacy.pth": (legacy(state(("w", storage)), keys, struct.pack("<q", -1)),
                                      "has -1 elements, the pickle says 4"),
        "storage_size.legacy.pth": (legacy(state(("w", tensor([1], [1], numel=2 ** 62))), keys,
                                           struct.pack("<q", 2 ** 62)), "storage 0 of 4611686018427387904 elements"),
        "half.safetensors": (safe[:len(safe) - 20], "truncated or damaged: the header describes"),
        "cut_header.safetensors": (safe[:100], "truncated or damaged: the header"),
        "more.safetensors": (safe + b"\0", "truncated or damaged: the header describes"),
    }


def bad_safetensors():
    two = {"a": f32(0, 8), "b": f32(8, 16)}
    repeated = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, ' \
               b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    field = b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [1], "data_offsets": [0, 4]}}'
    return {
        "header_length": (struct.pack("<Q", 2 ** 33) + b"{}", "a header of 8589934592 bytes"),
        "header_cut": (struct.pack("<Q", 50) + b"{}", "takes 50 bytes, 2 are left"),
        "not_json": (safetensors(b'{"a": nonsense}'), "not JSON at byte 16"),
        "two_values": (safetensors(b'{} {}'), "not JSON"),
        "deep": (safetensors(b'{"a": {"shape": ' + b'{"a":' * 500), "header: an object under a/shape"),
        "deep_list": (safetensors(b'{"a": {"shape": ' + b"[" * 500), "header: a list under a/shape"),
        "list_of_lists": (safetensors(b'{"a": [1]}'), "header: a list under a"),
        "number": (safetensors(b'{"a": 1}'), "header: the number 1 under a"),
        "duplicate": (safetensors(repeated, bytes(4)), "a occurs twice"),
        "duplicate_field": (safetensors(field, bytes(4)), "a: dtype occurs twice"),
        "duplicate_metadata": (safetensors(b'{"__metadata__": {"a": "1"}, "__metadata__": {}}'), "__metadata__ occurs twice"),
        "metadata_number": (safetensors({"__metadata__": {"epoch": 3}}), "header: the number 3 under __metadata__/epoch"),
        "unknown_field": (safetensors({"a": dict(f32(0, 4), extra=1)}, bytes(4)), "unknown field extra"),
        "missing_field": (safetensors({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)), "expected dtype, shape and two"),
        "one_offset": (safetensors({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0]}}), "and two data_offsets"),
        "dtype": (safetensors({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
                  "dtype F8_E4M3 is not supported"),
        "negative": (safetensors({"a": f32(0, 4, [-1])}, bytes(4)), "header: the number -1"),
        "fraction": (safetensors({"a": f32(0, 4, [1.0])}, bytes(4)), "header: a fraction"),
        "beyond_63_bits": (safetensors({"a": f32(0, 4, [2 ** 63])}, bytes(4)), "header: the number 9223372036854775808"),
        "overflow": (safetensors({"a": f32(0, 0, [2 ** 40, 2 ** 40])}), "do not fit any memory"),
        "size": (safetensors({"a": f32(0, 8, [1])}, bytes(8)), "data_offsets [0, 8] do not hold F32 [1]"),
        "reversed": (safetensors({"a": f32(8, 0, [0])}, bytes(8)), "data_offsets [8, 0]"),
        "overlap": (safetensors({"a": f32(0, 8), "b": f32(4, 12)}, bytes(12)), "overlap another tensor"),
        "gap": (safetensors({"a": f32(0, 8), "b": f32(12, 16)}, bytes(16)), "leave a gap"),
        "outside": (safetensors(two, bytes(12)), "describes 16 bytes of tensors, the file holds 12"),
        "rank65": (safetensors({"a": f32(0, 4, [1] * 65)}, bytes(4)), "more than 64 dimensions"),
        "not_utf8": (safetensors(b'{"\xff": {}}'), "not JSON"),
    }


def make(good, save):
    """name -> (content, error code, what the message must contain)."""
    files = {}
    for group in (mistaken_files(good, save), hostile_pickles(save), damaged_files(good)):
        for name, (content, says) in group.items():
            assert name not in files
            files[name] = content, "bad_file", says
    for name, (content, says) in bad_safetensors().items():
        assert name + ".safetensors" not in files
        files[name + ".safetensors"] = content, "bad_file", says
    return files
