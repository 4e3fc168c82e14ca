"""Measures the errors of every type and writes them into docs/python.md, between the marks `parity:begin` and `parity:end`:

    SYCL_DCN_LIBRARIES=build/python .venv/bin/python tests/python/parity_table.py [--print]

Largest difference of all cases, as a part of the case's largest value. float32 and float64 against the original's numbers
(tests/data/parity, computed in float64); float16 and bfloat16 against float64 on the same rounded inputs, because rounding the
inputs alone moves every sample. torchvision's operator stands beside ours, on the same tensors in the same process.
"""

import argparse
import platform
import re

import conftest
import torch
import torchvision

import sycl_dcn
from cases import TYPES, error, load_parity, parity_error

CONV = ("output", "grad_input", "grad_offset", "grad_mask", "grad_weight", "grad_bias")
POOL = ("output", "grad_data", "grad_trans")
MARKS = ("<!-- parity:begin -->", "<!-- parity:end -->")
PAGE = conftest.ROOT / "docs" / "python.md"


def convolution(function, case, arrays, dtype):
    """Output and gradients of one case."""
    inputs = [arrays[k].detach().to(dtype).requires_grad_() for k in ("input", "offset", "mask", "weight", "bias")]
    x, offset, mask, weight, bias = inputs
    output = function(x, offset, weight, bias, case["stride"], case["padding"], case["dilation"], mask)
    return dict(zip(CONV, (output, *torch.autograd.grad(output, inputs, arrays["grad_output"].to(dtype)))))


def pooling(function, case, arrays, dtype):
    """Output and gradients of one case."""
    inputs = [arrays[k].detach().to(dtype).requires_grad_() for k in ("data", "trans") if k in arrays]
    rois = arrays["rois"].double() if dtype == torch.float64 else arrays["rois"]
    output = function(
        inputs[0], rois, inputs[1] if len(inputs) > 1 else None, case["spatial_scale"], case["output_dim"],
        case["pooled_size"], case["group_size"], case["part_size"], case["sample_per_part"], case["trans_std"])
    return dict(zip(POOL, (output, *torch.autograd.grad(output, inputs, arrays["grad_output"].to(dtype)))))


def computed(compute, function, case, arrays, dtype):
    """The results as a dictionary, empty where the function does not take the type."""
    try:
        return compute(function, case, arrays, dtype)
    except RuntimeError as missing:
        if "not implemented" not in str(missing):
            raise
        return {}


def measure(file, compute, ours, theirs=None):
    """Largest errors by type, by whose (sycl_dcn, torchvision, between) and by result."""
    table = {dtype: {"sycl_dcn": {}, "torchvision": {}, "between": {}} for dtype in TYPES}

    def enter(dtype, whose, name, value):
        row = table[dtype][whose]
        row[name] = max(row.get(name, 0.0), value)

    for case, arrays, wanted in load_parity(file):
        for dtype in TYPES:
            half = dtype.itemsize == 2
            if half:
                rounded = {k: v if k == "rois" else v.detach().to(dtype).double() for k, v in arrays.items()}
                exact = compute(ours, case, rounded, torch.float64)
            results = {"sycl_dcn": computed(compute, ours, case, arrays, dtype)}
            # One position exactly one pixel outside, and torchvision takes a one-sided gradient where the original takes none.
            if theirs is not None and not case["one_sided_minus1"]:
                results["torchvision"] = computed(compute, theirs, case, arrays, dtype)
            for whose, got in results.items():
                for name, tensor in got.items():
                    enter(dtype, whose, name, error(tensor, exact[name]) if half else parity_error(tensor, wanted[name]))
            for name, tensor in results.get("torchvision", {}).items():
                enter(dtype, "between", name, error(results["sycl_dcn"][name], tensor))
    return table


def lines_of(title, table, names):
    """A table in Markdown."""
    yield f"| `{title}` | | " + " | ".join(f"`{name}`" for name in names) + " |"
    yield "| --- | --- |" + " --- |" * len(names)
    for dtype, rows in table.items():
        for whose, row in rows.items():
            if row:
                numbers = " | ".join(f"{row[name]:.1e}" if name in row else "" for name in names)
                yield f"| {str(dtype).removeprefix('torch.')} | {whose} | {numbers} |"
    yield ""


def cpu_name():
    """What /proc/cpuinfo calls the processor."""
    found = re.search(r"^model name\s*: (.+)$", open("/proc/cpuinfo").read(), re.M)
    return found.group(1) if found else platform.processor()


def main():
    """Measures, prints, and writes the page unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="leave docs/python.md as it is")
    only_print = parser.parse_args().print
    torch.set_num_threads(1)
    conv = measure("dcn", convolution, sycl_dcn.deform_conv2d, torchvision.ops.deform_conv2d)
    pool = measure("psroi", pooling, sycl_dcn.deform_psroi_pool)
    text = "\n".join([
        f"Measured on a CPU ({cpu_name()}) with PyTorch {torch.__version__.split('+')[0]}, torchvision "
        f"{torchvision.__version__.split('+')[0]}:", "",
        *lines_of("deform_conv2d", conv, CONV), *lines_of("deform_psroi_pool", pool, POOL)])
    print(text)
    if only_print:
        return
    page = PAGE.read_text()
    head, rest = page.split(MARKS[0])
    tail = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{head}{MARKS[0]}\n{text}{MARKS[1]}{tail}")


if __name__ == "__main__":
    main()
