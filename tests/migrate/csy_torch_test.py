#!/usr/bin/env python3
"""What migrated Python files call in place of torch.cuda: csy_torch.py, on the CPU device."""
import os
import re
import sys
import unittest
from pathlib import Path

os.environ["CSY_DEVICE"] = "cpu"
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src/migrate/launch"))
sys.dont_write_bytecode = True
import csy_torch  # noqa: E402
import torch  # noqa: E402


class TensorTypes(unittest.TestCase):
    def test_sizes_make_shapes(self):
        like = torch.zeros(2, 5)
        for got, shape in ((csy_torch.FloatTensor(3, 4), (3, 4)), (csy_torch.FloatTensor(like.size()), (2, 5)), (csy_torch.IntTensor(like.shape), (2, 5)),
                           (csy_torch.FloatTensor(torch.Size([7])), (7,)), (csy_torch.LongTensor(6), (6,)), (csy_torch.FloatTensor(), (0,))):
            self.assertEqual(tuple(got.shape), shape)

    def test_data_stays_data(self):
        for make, data, dtype in ((csy_torch.FloatTensor, [2, 5], torch.float32), (csy_torch.LongTensor, [[1, 2], [3, 4]], torch.int64),
                                  (csy_torch.ByteTensor, (1, 0, 1), torch.uint8)):
            got = make(data)
            self.assertEqual(got.dtype, dtype)
            self.assertTrue(torch.equal(got, torch.tensor(data, dtype=dtype)))

    def test_types(self):
        for name, dtype in (("Float", torch.float32), ("Double", torch.float64), ("Half", torch.float16), ("BFloat16", torch.bfloat16), ("Bool", torch.bool),
                            ("Long", torch.int64), ("Int", torch.int32), ("Short", torch.int16), ("Byte", torch.uint8), ("Char", torch.int8)):
            self.assertEqual(getattr(csy_torch, name + "Tensor")(torch.Size([2, 3])).dtype, dtype)

    def test_everything_that_the_tool_writes_is_there(self):
        source = (Path(__file__).resolve().parents[2] / "src/migrate/python.cpp").read_text()
        names = re.findall(r'"(\w+)"', source.partition("kHelpers = {")[2].partition("};")[0])
        self.assertGreater(len(names), 30)
        self.assertEqual([name for name in names if not hasattr(csy_torch, name)], [])


class CpuInPlaceOfTheDevice(unittest.TestCase):
    def test_memory_is_not_counted(self):
        self.assertEqual([csy_torch.memory_allocated(), csy_torch.max_memory_allocated(0), csy_torch.max_memory_reserved(device=0)], [0, 0, 0])
        self.assertIn("0 bytes", csy_torch.memory_summary(device=0, abbreviated=True))
        self.assertIsNone(csy_torch.reset_peak_memory_stats(0))

    def test_random_state_comes_back(self):
        state = csy_torch.get_rng_state()
        first = torch.rand(3)
        csy_torch.set_rng_state(state, 0)
        self.assertTrue(torch.equal(first, torch.rand(3)))

    def test_marks_for_profilers_do_nothing(self):
        csy_torch.nvtx.range_push("a")
        with csy_torch.nvtx.range("b"):
            csy_torch.nvtx.range_pop()


if __name__ == "__main__":
    unittest.main()
