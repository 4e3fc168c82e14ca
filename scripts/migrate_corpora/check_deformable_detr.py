"""Deformable-DETR's own test in the migrated extension (run in its folder), function by function.

Its gradient checks with 1025 and more channels are of matrices of up to 18 GB; there the gradients are compared with those of the extension's own
Python operator in double instead.
"""
import importlib.util

import torch

spec = importlib.util.spec_from_file_location("own_test", "test.py")
own = importlib.util.module_from_spec(spec)
spec.loader.exec_module(own)


def main():
    own.check_forward_equal_with_pytorch_double()
    own.check_forward_equal_with_pytorch_float()
    for channels in (30, 32, 64, 71):
        own.check_gradient_numerical(channels, True, True, True)
    for channels in (1025, 2048, 3096):
        value = torch.rand(own.N, own.S, own.M, channels, dtype=torch.float64) * 0.01
        places = torch.rand(own.N, own.Lq, own.M, own.L, own.P, 2, dtype=torch.float64)
        weights = torch.rand(own.N, own.Lq, own.M, own.L, own.P, dtype=torch.float64)
        ours, theirs = [[t.clone().requires_grad_() for t in (value, places, weights)] for _ in range(2)]
        got = own.MSDeformAttnFunction.apply(ours[0], own.shapes, own.level_start_index, *ours[1:], 2)
        expected = own.ms_deform_attn_core_pytorch(theirs[0], own.shapes, *theirs[1:])
        torch.testing.assert_close(got, expected)
        direction = torch.randn_like(got)
        got.backward(direction)
        expected.backward(direction)
        for x, y in zip(ours, theirs):
            torch.testing.assert_close(x.grad, y.grad)
        print(f"equal: gradients of {channels} channels")


if __name__ == "__main__":
    main()
