"""Remakes the table of errors in docs/python.md:

    SYCL_DCN_LIBRARIES=build/python .venv/bin/python tests/python/parity_table.py

float32 and float64 against the original's numbers (tests/data/parity, computed in float64); float16 and bfloat16 against
float64 on the same rounded inputs, because rounding the inputs alone moves every sample. Largest difference of all
cases, as a part of the case's largest value.
"""

import conftest  # noqa: F401  (finds the package)
import torch

import sycl_dcn
from cases import TYPES, error, load_parity, parity_error

CONV = ("output", "grad_input", "grad_offset", "grad_mask", "grad_weight", "grad_bias")
POOL = ("output", "grad_data", "grad_trans")


def convolution(case, arrays, dtype):
    """Output and gradients of one case."""
    inputs = [arrays[k].detach().to(dtype).requires_grad_() for k in ("input", "offset", "mask", "weight", "bias")]
    x, offset, mask, weight, bias = inputs
    output = sycl_dcn.deform_conv2d(x, offset, weight, bias, case["stride"], case["padding"], case["dilation"], mask)
    return dict(zip(CONV, (output, *torch.autograd.grad(output, inputs, arrays["grad_output"].to(dtype)))))


def pooling(case, arrays, dtype):
    """Output and gradients of one case."""
    inputs = [arrays[k].detach().to(dtype).requires_grad_() for k in ("data", "trans") if k in arrays]
    rois = arrays["rois"].double() if dtype == torch.float64 else arrays["rois"]
    output = sycl_dcn.deform_psroi_pool(
        inputs[0], rois, inputs[1] if len(inputs) > 1 else None, case["spatial_scale"], case["output_dim"],
        case["pooled_size"], case["group_size"], case["part_size"], case["sample_per_part"], case["trans_std"])
    return dict(zip(POOL, (output, *torch.autograd.grad(output, inputs, arrays["grad_output"].to(dtype)))))


def worst(file, compute, names):
    """Largest error of each type and result."""
    table = {}
    for case, arrays, wanted in load_parity(file):
        for dtype in TYPES:
            got = compute(case, arrays, dtype)
            if dtype.itemsize == 2:
                rounded = {k: v if k == "rois" else v.detach().to(dtype).double() for k, v in arrays.items()}
                exact = compute(case, rounded, torch.float64)
            for name in got:
                e = error(got[name], exact[name]) if dtype.itemsize == 2 else parity_error(got[name], wanted[name])
                table[dtype, name] = max(table.get((dtype, name), 0.0), e)
    return {dtype: [table[dtype, name] for name in names] for dtype in TYPES}


def main():
    """Prints both tables."""
    for title, file, compute, names in (("deform_conv2d", "dcn", convolution, CONV),
                                        ("deform_psroi_pool", "psroi", pooling, POOL)):
        print(f"| `{title}` | " + " | ".join(names) + " |")
        print("| --- |" + " --- |" * len(names))
        for dtype, errors in worst(file, compute, names).items():
            print(f"| {str(dtype).removeprefix('torch.')} | " + " | ".join(f"{e:.1e}" for e in errors) + " |")
        print()


if __name__ == "__main__":
    main()
