"""DCNv2_latest's own test in the migrated extension (run in its folder), with what makes it repeatable.

testcuda.py draws offsets without a seed and checks gradients by differences in float32. Where an offset lies within the difference of an integer, the
interpolation has a kink there and the check fails, whatever computes it. So each of its functions runs as it stands, for seeds 0, 1, ...; the verdict of the
gradient check must be that of torchvision's CPU operator with the same numbers, and one must pass.
"""
import sys

import torch
from torch.autograd.gradcheck import GradcheckError
from torchvision.ops import deform_conv2d

sys.path.insert(0, ".")
import testcuda  # noqa: E402


def reference(x, offset, mask, weight, bias, stride, padding, dilation, groups):
    return deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask)


def verdict(seed, function):
    torch.manual_seed(seed)
    ours, testcuda.dcn_v2_conv = testcuda.dcn_v2_conv, function
    try:
        testcuda.check_gradient_dconv()
        return True
    except GradcheckError:
        return False
    finally:
        testcuda.dcn_v2_conv = ours


def main():
    torch.manual_seed(0)
    testcuda.example_dconv()
    testcuda.example_dpooling()
    testcuda.example_mdpooling()
    testcuda.check_pooling_zero_offset()
    testcuda.check_zero_offset()
    testcuda.check_gradient_dpooling()
    passed = 0
    for seed in range(60):
        ours = verdict(seed, testcuda.dcn_v2_conv)
        if seed < 8:
            assert ours == verdict(seed, reference), f"seed {seed}: {ours}, torchvision's operator says otherwise"
            print(f"gradient check with seed {seed}: {'passed' if ours else 'a kink'}, as with torchvision's operator")
        passed += ours
        if passed and seed >= 8:
            return
    assert passed, "the gradient check passed with no seed"


if __name__ == "__main__":
    main()
