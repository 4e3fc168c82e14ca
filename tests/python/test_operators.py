"""Deformable convolution and PSRoI pooling through PyTorch: numbers, layouts, types, errors, what PyTorch demands of an
operator."""

import itertools
import os
import random

import pytest
import torch
import torchvision.ops

import sycl_dcn
from cases import CASES, NAMES, TYPES, Case, error, load_parity, parity_error, row_major, run, tensors
from sycl_dcn import deform_conv2d, deform_psroi_pool

# One rounding of the result to the type, of its largest value; what is above is the sums' own error.
TOLERANCE = {torch.float32: 3e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float64: 1e-12}
# Another order of the same sums.
REORDERED = 3e-6
OPS = torch.ops.sycl_dcn


def theirs(case, values, dtype=None):
    """torchvision's results for the same tensors: its CUDA operator's for those of CUDA, else its CPU operator's."""
    device = "cuda" if values[0].is_cuda else "cpu"
    return run(torchvision.ops.deform_conv2d, case, [None if v is None else v.to(device) for v in row_major(values, dtype)])


def same_bits(got, wanted, device):
    """On the CPU, layouts must not change a bit. On GPUs another layout may be another variant, with another order of sums."""
    return torch.equal(got, wanted) if device == "cpu" else error(got, wanted) < REORDERED


# Numbers


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("channels_last", (False, True), ids=("nchw", "nhwc"))
def test_equals_torchvision_in_double(dtype, channels_last, device):
    for case in CASES:
        values = tensors(case, dtype, channels_last=channels_last, device=device)
        ours = run(deform_conv2d, case, values)
        for name, got, wanted in zip(NAMES, ours, theirs(case, values, torch.float64)):
            assert (got is None) == (wanted is None)
            if got is not None:
                assert got.dtype == dtype and got.device.type == device
                assert error(got, wanted) < TOLERANCE[dtype], (case, name)


def test_half_is_at_least_as_good_as_torchvisions(device):
    for case in CASES[:4]:
        values = tensors(case, torch.float16, device=device)
        exact = theirs(case, values, torch.float64)
        ours = run(deform_conv2d, case, values)
        for name, got, other, wanted in zip(NAMES, ours, theirs(case, values), exact):
            if got is not None:
                assert error(got, wanted) <= error(other, wanted) + 2e-4, (case, name)


def test_the_originals_numbers(device):
    worst = {}
    for case, a, wanted in load_parity("dcn"):
        inputs = [a[k].to(device).requires_grad_() for k in ("input", "offset", "mask", "weight", "bias")]
        output = sycl_dcn.dcn_v2_conv(*inputs, case["stride"], case["padding"], case["dilation"],
                                      case["deformable_groups"]) if case["groups"] == 1 else deform_conv2d(
            inputs[0], inputs[1], inputs[3], inputs[4], case["stride"], case["padding"], case["dilation"], inputs[2])
        got = dict(zip(("grad_input", "grad_offset", "grad_mask", "grad_weight", "grad_bias"),
                       torch.autograd.grad(output, inputs, a["grad_output"].to(device))), output=output)
        for name in wanted:
            worst[case["id"], name] = parity_error(got[name], wanted[name])
    assert len(worst) >= 6 * 40 - 40
    assert max(worst.values()) < 3e-5, sorted(worst.items(), key=lambda item: -item[1])[:5]


def psroi_arguments(case):
    return (case["spatial_scale"], case["output_dim"], case["pooled_size"], case["group_size"], case["part_size"],
            case["sample_per_part"], case["trans_std"])


def test_the_originals_numbers_of_psroi_pooling(device):
    worst = {}
    for case, a, wanted in load_parity("psroi"):
        a = {name: array.to(device) for name, array in a.items()}
        data = a["data"].requires_grad_()
        trans = a["trans"].requires_grad_() if "trans" in a else None
        output = deform_psroi_pool(data, a["rois"], trans, *psroi_arguments(case))
        given = [data] if trans is None else [data, trans]
        got = dict(zip(("grad_data", "grad_trans"), torch.autograd.grad(output, given, a["grad_output"])), output=output)
        for name in got:
            worst[case["id"], name] = parity_error(got[name], wanted[name])
    assert len(worst) > 20
    assert max(worst.values()) < 3e-5, sorted(worst.items(), key=lambda item: -item[1])[:5]


@pytest.mark.parametrize("dtype", TYPES[:3], ids=str)
def test_psroi_pooling_in_smaller_types(dtype, device):
    """Against float64 on the same rounded inputs: rounding them alone moves every sample."""
    for case, a, _ in load_parity("psroi"):
        rounded = {name: (v if name == "rois" else v.detach().to(dtype)).to(device) for name, v in a.items()}
        results = []
        for arrays in (rounded, {name: v.double() for name, v in rounded.items()}):
            given = [arrays[name].requires_grad_() for name in ("data", "trans") if name in arrays]
            output = deform_psroi_pool(given[0], arrays["rois"], given[1] if len(given) > 1 else None, *psroi_arguments(case))
            results.append((output, *torch.autograd.grad(output, given, arrays["grad_output"])))
        for name, got, wanted in zip(("output", "grad_data", "grad_trans"), *results):
            assert got.dtype == dtype and got.device.type == device
            assert error(got, wanted) < TOLERANCE[dtype], (case["id"], name)


def test_random_calls_equal_torchvision(device):
    chance = random.Random(11)
    for seed in range(24):
        groups, dg = chance.choice((1, 2, 3)), chance.choice((1, 2))
        case = Case(batch=chance.randint(1, 3), channels=groups * dg * chance.randint(1, 4),
                    height=chance.randint(4, 9), width=chance.randint(4, 9), out_channels=groups * chance.randint(1, 5),
                    kernel=(chance.randint(1, 3), chance.randint(1, 3)),
                    stride=(chance.randint(1, 2), chance.randint(1, 3)),
                    padding=(chance.randint(0, 2), chance.randint(0, 2)),
                    dilation=(chance.randint(1, 2), chance.randint(1, 2)), groups=groups, deformable_groups=dg,
                    mask=chance.random() < 0.6, bias=chance.random() < 0.6)
        if min(case.out_size()) < 1:
            continue
        values = tensors(case, seed=seed, channels_last=chance.random() < 0.5, spread=chance.choice((0.3, 2.0, 20.0)),
                         device=device)
        for name, got, wanted in zip(NAMES, run(deform_conv2d, case, values), theirs(case, values)):
            if got is not None:
                assert error(got, wanted) < 6e-5, (seed, case, name)


def test_finite_differences(device):
    for case in (Case(batch=1, channels=4, height=4, width=3, out_channels=2, groups=2, deformable_groups=2),
                 Case(batch=1, channels=2, height=3, width=4, out_channels=2, mask=False, bias=False, stride=(2, 1))):
        *inputs, _ = tensors(case, torch.float64, device=device)
        inputs = [None if v is None else v.requires_grad_() for v in inputs]
        assert torch.autograd.gradcheck(
            lambda x, o, w, b, m, case=case: deform_conv2d(x, o, w, b, mask=m, **case.geometry()), inputs, nondet_tol=1e-12)
    torch.manual_seed(1)
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64).to(device).requires_grad_()
    rois = torch.tensor([[0, 1.0, 2, 14, 17], [0, 3, 1, 20, 12]], dtype=torch.float64, device=device)
    trans = (torch.randn(2, 2, 2, 2, dtype=torch.float64) * 0.3).to(device).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, t: deform_psroi_pool(x, rois, t, 0.25, 2, 2, part_size=2, sample_per_part=3, trans_std=0.3), (x, trans),
        nondet_tol=1e-12)


def test_second_derivatives_are_refused_in_words():
    case = Case(batch=1, channels=2, height=3, width=3, out_channels=2)
    *inputs, _ = tensors(case, torch.float64)
    inputs = [v.requires_grad_() for v in inputs]
    with pytest.raises(NotImplementedError, match="sycl_dcn::deform_conv2d has no second derivative"):
        torch.autograd.gradgradcheck(lambda x, o, w, b, m: deform_conv2d(x, o, w, b, padding=1, mask=m), inputs)
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 1.0, 2, 14, 17]], dtype=torch.float64)
    with pytest.raises(NotImplementedError, match="sycl_dcn::deform_psroi_pool has no second derivative"):
        torch.autograd.gradgradcheck(lambda x: deform_psroi_pool(x, rois, None, 0.25, 2, 2), (x,))


# Layouts and memory


def strided_forms(tensor):
    """The same numbers in other memory: row-major, channels last, a slice of something larger, transposed, with gaps."""
    yield "row-major", tensor.contiguous()
    yield "channels last", tensor.contiguous(memory_format=torch.channels_last)
    large = tensor.new_full([s + 3 for s in tensor.shape], float("nan"))
    inner = large[tuple(slice(1, 1 + s) for s in tensor.shape)]
    yield "slice", inner.copy_(tensor)
    yield "transposed", tensor.transpose(2, 3).contiguous().transpose(2, 3)
    gaps = tensor.new_full([*tensor.shape[:3], 2 * tensor.shape[3]], float("nan"))
    gaps[..., ::2] = tensor
    yield "gaps", gaps[..., ::2]


@pytest.mark.parametrize("case", (CASES[0], CASES[2]), ids=("small", "fused"))
def test_any_strides_give_the_same_bits(case, device):
    values = tensors(case, device=device)
    expected = run(deform_conv2d, case, values)
    for i in (0, 1, 2, 4, 5):
        for name, form in strided_forms(values[i]):
            other = [form if j == i else v for j, v in enumerate(values)]
            for what, got, wanted in zip(NAMES, run(deform_conv2d, case, other), expected):
                if what == "output":
                    assert same_bits(got, wanted, device), (i, name)
                else:
                    assert error(got, wanted) < REORDERED, (i, name, what)


def test_an_expanded_batch_equals_its_copy(device):
    case = Case(batch=3)
    x, offset, weight, bias, mask, grad = tensors(case, device=device)
    x, mask = x[:1].expand(3, -1, -1, -1), mask[:1].expand(3, -1, -1, -1)
    expanded = run(deform_conv2d, case, [x, offset, weight, bias, mask, grad])
    copied = run(deform_conv2d, case, [x.contiguous(), offset, weight, bias, mask.contiguous(), grad])
    assert same_bits(expanded[0], copied[0], device)
    for name, got, wanted in zip(NAMES[1:], expanded[1:], copied[1:]):
        assert error(got, wanted) < REORDERED, name


def test_channels_last_in_gives_channels_last_out(device):
    case = CASES[2]
    for last in (True, False):
        values = tensors(case, channels_last=last, device=device)
        output, grad_input, grad_offset, *_ = run(deform_conv2d, case, values)
        for name, t in (("output", output), ("grad_input", grad_input), ("grad_offset", grad_offset)):
            assert t.is_contiguous(memory_format=torch.channels_last) == last, name
            assert t.is_contiguous() != last, name
    x = torch.randn(1, 4, 6, 6, device=device).to(memory_format=torch.channels_last)
    rois = torch.tensor([[0.0, 0, 0, 12, 12]], device=device)
    assert deform_psroi_pool(x, rois, None, 0.5, 4, 3).is_contiguous(memory_format=torch.channels_last)


class Allocations:
    """Bytes that PyTorch's CPU allocator hands out inside the `with`."""

    def __enter__(self):
        self.profiler = torch.profiler.profile(profile_memory=True)
        self.profiler.__enter__()
        return self

    def __exit__(self, *error):
        self.profiler.__exit__(*error)
        events = self.profiler.profiler.kineto_results.events()
        self.sizes = sorted(e.nbytes() for e in events if e.name() == "[memory]" and e.nbytes() > 0)


def test_nothing_but_results_is_allocated():
    case = CASES[2]
    for last in (False, True):
        x, offset, weight, bias, mask, grad = tensors(case, channels_last=last)
        with Allocations() as forward:
            output = deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
        assert forward.sizes == [output.nbytes]
        with Allocations() as backward:
            OPS.deform_conv2d_backward(grad, x, offset, mask, weight, 1, 1, 1, 1, 1, 1, 1, 1, 31, False)
        assert backward.sizes == sorted(t.nbytes for t in (x, offset, weight, bias, mask))


def test_only_the_gradients_that_are_needed(device):
    case = CASES[0]
    values = tensors(case, device=device)
    everything = dict(zip(NAMES[1:], run(deform_conv2d, case, values)[1:]))
    names = ("grad_input", "grad_offset", "grad_weight", "grad_bias", "grad_mask")
    for some in itertools.chain.from_iterable(itertools.combinations(names, n) for n in (1, 2)):
        inputs = [v.detach().clone().requires_grad_(n in some) for v, n in zip(values, names)]
        output = deform_conv2d(*inputs[:4], mask=inputs[4], **case.geometry())
        output.backward(values[5])
        for v, n in zip(inputs, names):
            assert (v.grad is not None) == (n in some)
            if v.grad is not None:
                assert error(v.grad, everything[n]) < REORDERED, (some, n)
    results = OPS.deform_conv2d_backward(values[5], *(values[i] for i in (0, 1, 4, 2)), 1, 1, 1, 1, 1, 1, 1, 1, 8, False)
    assert [r.numel() for r in results] == [0, 0, 0, values[2].numel(), 0]


def test_empty_batches(device):
    for dtype, last in itertools.product((torch.float32, torch.float64), (False, True)):
        values = tensors(Case(batch=0), dtype, channels_last=last, device=device)
        output, grad_input, grad_offset, grad_weight, grad_bias, grad_mask = run(deform_conv2d, Case(batch=0), values)
        assert output.shape == (0, 6, 7, 9) and grad_input.shape == (0, 8, 7, 9) and grad_offset.shape == (0, 18, 7, 9)
        assert grad_mask.shape == (0, 9, 7, 9)
        assert grad_weight.count_nonzero() == 0 and grad_bias.count_nonzero() == 0
    x = torch.randn(1, 4, 6, 6, device=device, requires_grad=True)
    output = deform_psroi_pool(x, torch.zeros(0, 5, device=device), None, 0.5, 4, 3)
    output.sum().backward()
    assert output.shape == (0, 4, 3, 3) and x.grad.count_nonzero() == 0


def test_any_batch_size(device):
    for batch in (1, 5, 33):  # 33: what mmcv's default im2col_step does not divide
        case = Case(batch=batch, channels=2, out_channels=2, height=4, width=4)
        values = tensors(case, device=device)
        for name, got, wanted in zip(NAMES, run(deform_conv2d, case, values), theirs(case, values)):
            assert error(got, wanted) < 3e-5, (batch, name)


# Streams


def test_calls_keep_the_order_of_the_current_stream(device):
    """Work of PyTorch's before ours and ours before PyTorch's, forward and backward, on a stream that is not the default one (the
    CPU's streams do nothing)."""
    module = torch.get_device_module(device)
    side = 64 if device == "cpu" else 1024
    for stream in (module.Stream(), module.Stream()):
        with module.stream(stream):
            weight = torch.ones(1, 1, 1, 1, device=device)
            offset = torch.zeros(1, 2, side, side, device=device)
            start = torch.zeros(1, 1, side, side, device=device, requires_grad=True)
            x = start
            for _ in range(20):
                x = deform_conv2d(x + 1, offset, 2 * weight) / 2
            x.sum().backward()
            result, grad = x.detach() * 2, start.grad * 2
        module.synchronize()
        assert result.min() == result.max() == 40
        assert grad.min() == grad.max() == 2


def test_a_recorded_step_can_be_replayed(device):
    """What a CUDA graph recorded computes with what the tensors hold at the replay (elsewhere the step is run again)."""
    case = CASES[2]
    fixed = [v.requires_grad_(i < 5) for i, v in enumerate(tensors(case, seed=1, channels_last=True, device=device))]
    grads = [torch.zeros_like(v) for v in fixed[:5]]
    output = torch.zeros_like(fixed[5])

    def step():
        results = run(deform_conv2d, case, fixed)
        for kept, result in zip((output, *grads), results):
            kept.copy_(result)

    replay = step
    if device == "cuda":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):  # compiles, and leaves the scratch
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            step()
        replay = graph.replay
    for seed in (2, 3):
        values = tensors(case, seed=seed, channels_last=True, device=device)
        with torch.no_grad():
            for kept, value in zip(fixed, values):
                kept.copy_(value)
        for kept in (output, *grads):
            kept.zero_()
        replay()
        for name, got, wanted in zip(NAMES, (output, *grads), theirs(case, values)):
            assert error(got, wanted) < 3e-5, (seed, name)


# What PyTorch demands


def conv_arguments(dtype=torch.float32, requires_grad=True, last=False, device="cpu"):
    case = Case(batch=1, channels=4, height=4, width=5, out_channels=3)
    x, offset, weight, bias, mask, grad = tensors(case, dtype, channels_last=last, device=device)
    inputs = [t.requires_grad_(requires_grad) for t in (x, offset, mask, weight, bias)]
    return inputs, (1, 1, 1, 1, 1, 1, 1, 1), grad


def test_opcheck_of_every_operator(device):
    for last in (False, True):
        inputs, numbers, grad = conv_arguments(last=last, device=device)
        torch.library.opcheck(OPS.deform_conv2d, (*inputs, *numbers))
        torch.library.opcheck(OPS.deform_conv2d, (inputs[0], inputs[1], None, inputs[3], None, *numbers))
        x, offset, mask, weight, _ = (t.detach() for t in inputs)
        for wanted in (31, 9):
            torch.library.opcheck(OPS.deform_conv2d_backward, (grad, x, offset, mask, weight, *numbers, wanted, False))
        x = torch.randn(1, 4, 6, 6, device=device)
        x = (x.to(memory_format=torch.channels_last) if last else x).requires_grad_()
        rois = torch.tensor([[0.0, 0, 0, 12, 12], [0, 3, 3, 9, 8]], device=device)
        trans = torch.randn(2, 2, 3, 3, device=device, requires_grad=True)
        for offset in (trans, None):
            torch.library.opcheck(OPS.deform_psroi_pool, (x, rois, offset, 0.5, 4, 1, 3, 3, 2, 0.1))
        grad = torch.randn(2, 4, 3, 3, device=device)
        torch.library.opcheck(OPS.deform_psroi_pool_backward,
                              (grad, x.detach(), rois, trans.detach(), 0.5, 4, 1, 3, 3, 2, 0.1, 3))


def test_compiles_without_a_graph_break(device):
    torch.manual_seed(3)
    layer = sycl_dcn.DCN(4, 6, 3, 1, 1).to(device)
    torch.nn.init.normal_(layer.conv_offset_mask.weight, std=0.3)
    pool = sycl_dcn.DCNPooling(0.5, 2, 6, False, trans_std=0.1, deform_fc_dim=8).to(device)
    torch.nn.init.normal_(pool.offset_mask_fc[4].weight, std=0.3)
    rois = torch.tensor([[0.0, 1, 1, 12, 10], [1, 3, 3, 9, 8]], device=device)

    def network(x):
        return pool(torch.relu(layer(x)) * 2, rois)

    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    for last in (False, True):
        x = torch.randn(2, 4, 6, 7, device=device)
        x = x.to(memory_format=torch.channels_last) if last else x
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        wanted, got = network(a), compiled(b)
        wanted.sum().backward()
        got.sum().backward()
        assert torch.allclose(got, wanted, atol=1e-6) and torch.allclose(a.grad, b.grad, atol=1e-5)
    assert torch._dynamo.utils.counters["graph_break"] == {}


def test_exports_with_free_sizes():
    layer = sycl_dcn.DCN(4, 6, 3, 1, 1).eval()
    sizes = {"input": {2: torch.export.Dim("height", min=8, max=64), 3: torch.export.Dim("width", min=8, max=64)}}
    program = torch.export.export(layer, (torch.randn(1, 4, 16, 16),), dynamic_shapes=sizes)
    x = torch.randn(1, 4, 11, 24)
    assert torch.equal(program.module()(x), layer(x))


def test_shapes_on_meta_tensors():
    inputs, numbers, _ = conv_arguments()
    meta = OPS.deform_conv2d(*(t.detach().to("meta") for t in inputs), *numbers)
    assert meta.shape == (1, 3, 4, 5) and meta.device.type == "meta"


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16), ids=str)
def test_autocast_sums_in_float32(dtype, device):
    case = CASES[0]
    x, offset, weight, bias, mask, _ = tensors(case, device=device)
    with torch.autocast(device, dtype=dtype):
        low = deform_conv2d(x.to(dtype), offset, weight, bias, padding=1, mask=mask)
        full = deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    assert low.dtype == dtype and full.dtype == torch.float32
    wanted = deform_conv2d(x.to(dtype).float(), offset, weight, bias, padding=1, mask=mask)
    assert torch.equal(low, wanted.to(dtype))
    layer = sycl_dcn.DCN(8, 8, 3, 1, 1).to(device)
    with torch.autocast(device, dtype=dtype):
        layer(x).float().square().mean().backward()
    assert layer.conv_offset_mask.weight.grad.dtype == torch.float32 and layer.weight.grad.abs().sum() > 0


def test_deterministic_runs_are_equal_to_the_bit(device):
    case = Case(batch=2, channels=16, out_channels=16, height=12, width=12)
    values = tensors(case, spread=0.2, device=device)
    torch.use_deterministic_algorithms(True)
    try:
        first = run(deform_conv2d, case, values)
        for _ in range(3):
            for name, got, wanted in zip(NAMES, run(deform_conv2d, case, values), first):
                assert torch.equal(got, wanted), name
    finally:
        torch.use_deterministic_algorithms(False)
    for name, got, wanted in zip(NAMES, first, theirs(case, values, torch.float64)):
        assert error(got, wanted) < 3e-5, name


def test_threads_may_call_at_once():
    from concurrent.futures import ThreadPoolExecutor

    case = CASES[2]
    values = [tensors(case, seed=s) for s in range(4)]
    wanted = [run(deform_conv2d, case, v) for v in values]
    with ThreadPoolExecutor(4) as pool:
        for n, results in enumerate(pool.map(lambda n: run(deform_conv2d, case, values[n % 4]), range(16))):
            assert torch.equal(results[0], wanted[n % 4][0])
            assert error(results[1], wanted[n % 4][1]) < 1e-6


def test_a_variant_can_be_forced(monkeypatch):
    case = CASES[2]
    values = tensors(case)
    default = run(deform_conv2d, case, values)[0]
    monkeypatch.setenv("DCN_FORCE_VARIANT", "reference")
    assert error(run(deform_conv2d, case, values)[0], default) < 3e-5
    monkeypatch.setenv("DCN_FORCE_VARIANT", "nothing")
    with pytest.raises(RuntimeError, match="'nothing'"):
        run(deform_conv2d, case, values)


# Wrong arguments: the message names the argument, what it has and what is expected


def wrong(**changes):
    x, offset, weight, bias, mask, _ = tensors(Case())
    arguments = dict(input=x, offset=offset, weight=weight, bias=bias, mask=mask, padding=1)
    for name, change in changes.items():
        arguments[name] = change(arguments[name]) if callable(change) else change
    return arguments


@pytest.mark.parametrize("changes,message", [
    (dict(input=lambda t: t[0]), "input: 3 dimensions, expected 4"),
    (dict(input=lambda t: t[:, :7]), "weight: 8 input channels per group, expected a divisor of 7"),
    (dict(input=lambda t: t.long()), "input: not a floating-point tensor"),
    (dict(input=lambda t: t[:, :, :0]), "input: H: value 0, expected 1 to"),
    (dict(input=lambda t: t.half()), "type f32, expected f16"),
    (dict(offset=lambda t: t[:, :17]), "offset: 17 channels, expected 18"),
    (dict(offset=lambda t: t[:, :0]), "offset: 0 channels, expected 18"),
    (dict(offset=lambda t: t[..., 1:]), "offset: 8 columns, expected 9"),
    (dict(offset=lambda t: t[:1]), "offset: 1 pictures, expected 2"),
    (dict(offset=lambda t: t[0]), "offset: 3 dimensions, expected 4"),
    (dict(offset=lambda t: t.double()), "offset: type f64, expected f32"),
    (dict(offset=lambda t: t.to("meta")), "offset: on meta, expected cpu"),
    (dict(mask=lambda t: t[:, :8]), "mask: 8 channels, expected 9"),
    (dict(mask=lambda t: t.bfloat16()), "mask: type bf16, expected f32"),
    (dict(mask=lambda t: t[:, :, 1:]), "mask: 6 rows, expected 7"),
    (dict(weight=lambda t: t[0]), "weight: 3 dimensions, expected 4"),
    (dict(weight=lambda t: t.half()), "weight: type f16, expected f32"),
    (dict(weight=lambda t: t[:, :, :0]), "kernel_h: value 0, expected 1 to"),
    (dict(bias=lambda t: t[1:]), "bias: 5 values, expected 6"),
    (dict(bias=lambda t: t.half()), "bias: type f16, expected f32"),
    (dict(bias=lambda t: t[None]), "bias: rank 2"),
    (dict(stride=0), "stride_h: value 0, expected 1 to"),
    (dict(stride=(1, -2)), "stride_w: value -2, expected 1 to"),
    (dict(padding=-1), "padding_h: value -1, expected 0 to"),
    (dict(padding=2**62), "padding_h: value 4611686018427387904"),
    (dict(dilation=(2, 0)), "dilation_w: value 0, expected 1 to"),
    (dict(padding=0, dilation=9), "smaller than the dilated kernel"),
])
def test_wrong_tensors_are_named(changes, message):
    with pytest.raises((RuntimeError, NotImplementedError)) as raised:
        deform_conv2d(**wrong(**changes))
    assert message in str(raised.value), str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("changes,kind,message", [
    (dict(offset=[1, 2]), TypeError, "offset: list, expected a torch.Tensor"),
    (dict(input=[1, 2]), TypeError, "input: list, expected a torch.Tensor or an array"),
    (dict(stride=(1, 2, 3)), ValueError, "stride: 3 numbers, expected one or two"),
])
def test_wrong_types_are_named(changes, kind, message):
    with pytest.raises(kind, match=message):
        deform_conv2d(**wrong(**changes))


@pytest.mark.parametrize("change,message", [
    (dict(rois=torch.zeros(2, 4)), "rois: 4"),
    (dict(rois=torch.zeros(5)), "rois: 1 dimensions, expected 2"),
    (dict(output_dim=3), "input: 4 channels, expected 3"),
    (dict(pooled_size=0), "pooled_size: value 0"),
    (dict(group_size=2), "input: 4 channels, expected 16"),
    (dict(offset=torch.zeros(2, 2, 3, 3), part_size=2), "offset: 3 rows, expected 2"),
    (dict(offset=torch.zeros(3, 2, 3, 3)), "offset: 3 "),
    (dict(sample_per_part=0), "sample_per_part: value 0"),
])
def test_wrong_pooling_arguments_are_named(change, message):
    arguments = dict(input=torch.randn(1, 4, 6, 6), rois=torch.tensor([[0.0, 0, 0, 12, 12]] * 2), offset=None,
                     spatial_scale=0.5, output_dim=4, pooled_size=3, **{})
    with pytest.raises(RuntimeError) as raised:
        deform_psroi_pool(**{**arguments, **change})
    assert message in str(raised.value), str(raised.value)


def test_a_wrong_gradient_is_named():
    inputs, numbers, grad = conv_arguments(requires_grad=False)
    x, offset, mask, weight, _ = inputs
    with pytest.raises(RuntimeError, match="grad_output"):
        OPS.deform_conv2d_backward(grad[:, 1:], x, offset, mask, weight, *numbers, 31, False)


@pytest.mark.skipif(torch.cuda.is_available() or torch.xpu.is_available(), reason="there is a GPU; others test it")
def test_other_devices_are_never_replaced():
    """Without a GPU, PyTorch refuses before us; nothing moves to the CPU in silence."""
    with pytest.raises((RuntimeError, AssertionError)):
        deform_conv2d(**wrong(input=lambda t: t.to("cuda")))


def test_nothing_of_the_environment_is_needed():
    assert "LD_LIBRARY_PATH" not in os.environ or "sycl" not in os.environ["LD_LIBRARY_PATH"]
