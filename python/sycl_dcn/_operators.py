"""The compiled operators, completed with what PyTorch wants to know of them: gradients, shapes for tracing, autocast."""

from __future__ import annotations

import torch
from torch import Tensor

from . import _library

_library.load_operators()
_ops = torch.ops.sycl_dcn

# Which gradients a backward operator computes; the others come back without elements.
INPUT, OFFSET, MASK, WEIGHT, BIAS = 1, 2, 4, 8, 16


def deform_conv2d(input: Tensor, offset: Tensor, mask: Tensor | None, weight: Tensor, bias: Tensor | None,
                  stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], groups: int,
                  deformable_groups: int) -> Tensor:
    """torch.ops.sycl_dcn.deform_conv2d with pairs."""
    return _ops.deform_conv2d(input, offset, mask, weight, bias, *stride, *padding, *dilation, groups,
                              deformable_groups)


def deform_psroi_pool(input: Tensor, rois: Tensor, offset: Tensor | None, spatial_scale: float, output_dim: int,
                      group_size: int, pooled_size: int, part_size: int, sample_per_part: int,
                      trans_std: float) -> Tensor:
    """torch.ops.sycl_dcn.deform_psroi_pool without the counts, which only the gradient needs."""
    return _ops.deform_psroi_pool(input, rois, offset, spatial_scale, output_dim, group_size, pooled_size, part_size,
                                  sample_per_part, trans_std)[0]


def _empty_activation(like: Tensor, sizes: list) -> Tensor:
    """As empty_activation() in python/src/tensors.cpp."""
    last = like.dim() == 4 and like.stride(1) == 1 and not like.is_contiguous()
    return torch.empty(sizes, dtype=like.dtype, device=like.device,
                       memory_format=torch.channels_last if last else torch.contiguous_format)


def _nothing(like: Tensor) -> Tensor:
    return like.new_empty([0])


# Shapes, for torch.compile, torch.export and meta tensors.

def _check_devices(input: Tensor, **others: Tensor | None) -> None:
    for name, tensor in others.items():
        if tensor is not None:
            torch._check(tensor.device == input.device, lambda name=name, tensor=tensor: (
                f"{name}: on {tensor.device}, expected {input.device} (the device of input)"))


@torch.library.register_fake("sycl_dcn::deform_conv2d")
def _(input, offset, mask, weight, bias, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups,
      deformable_groups):
    _check_devices(input, offset=offset, mask=mask, weight=weight, bias=bias)
    torch._check(input.dim() == 4, lambda: f"input: {input.dim()} dimensions, expected 4 [N, in_channels, H, W]")
    torch._check(offset.dim() == 4, lambda: f"offset: {offset.dim()} dimensions, expected 4")
    torch._check(weight.dim() == 4, lambda: f"weight: {weight.dim()} dimensions, expected 4")
    height = (input.shape[2] + 2 * padding_h - dilation_h * (weight.shape[2] - 1) - 1) // stride_h + 1
    width = (input.shape[3] + 2 * padding_w - dilation_w * (weight.shape[3] - 1) - 1) // stride_w + 1
    return _empty_activation(input, [input.shape[0], weight.shape[0], height, width])


@torch.library.register_fake("sycl_dcn::deform_conv2d_backward")
def _(grad_output, input, offset, mask, weight, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups,
      deformable_groups, wanted, deterministic):
    return (_empty_activation(input, list(input.shape)) if wanted & INPUT else _nothing(input),
            _empty_activation(offset, list(offset.shape)) if wanted & OFFSET else _nothing(input),
            _empty_activation(mask, list(mask.shape)) if wanted & MASK and mask is not None else _nothing(input),
            _empty_activation(weight, list(weight.shape)) if wanted & WEIGHT else _nothing(input),
            weight.new_empty(weight.shape[:1]) if wanted & BIAS else _nothing(input))


@torch.library.register_fake("sycl_dcn::deform_psroi_pool")
def _(input, rois, offset, spatial_scale, output_dim, group_size, pooled_size, part_size, sample_per_part, trans_std):
    _check_devices(input, rois=rois, offset=offset)
    sizes = [rois.shape[0], output_dim, pooled_size, pooled_size]
    return _empty_activation(input, sizes), torch.empty(sizes, dtype=rois.dtype, device=input.device)


@torch.library.register_fake("sycl_dcn::deform_psroi_pool_backward")
def _(grad_output, input, rois, offset, spatial_scale, output_dim, group_size, pooled_size, part_size,
      sample_per_part, trans_std, wanted):
    return (_empty_activation(input, list(input.shape)) if wanted & INPUT else _nothing(input),
            _empty_activation(offset, list(offset.shape)) if wanted & OFFSET and offset is not None else _nothing(input))


# Gradients. The operators that compute them have none of their own.

def _conv_setup(ctx, inputs, output):
    input, offset, mask, weight, _, *ctx.numbers = inputs
    ctx.save_for_backward(input, offset, mask, weight)


def _conv_backward(ctx, grad_output):
    needs = ctx.needs_input_grad[:5]  # input, offset, mask, weight, bias
    wanted = sum(1 << i for i, need in enumerate(needs) if need)
    grads = _ops.deform_conv2d_backward(grad_output, *ctx.saved_tensors, *ctx.numbers, wanted,
                                        torch.are_deterministic_algorithms_enabled())
    return (*(grad if need else None for grad, need in zip(grads, needs)), *[None] * 8)


def _psroi_setup(ctx, inputs, output):
    input, rois, offset, *ctx.numbers = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(input, rois, offset)


def _psroi_backward(ctx, grad_output, _):
    needs = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    wanted = (INPUT if needs[0] else 0) | (OFFSET if needs[1] else 0)
    grads = _ops.deform_psroi_pool_backward(grad_output, *ctx.saved_tensors, *ctx.numbers, wanted)
    return (grads[0] if needs[0] else None, None, grads[1] if needs[1] else None, *[None] * 7)


def _no_second_gradient(name: str):
    def backward(ctx, *grads):
        raise NotImplementedError(f"sycl_dcn::{name} has no second derivative: its gradient cannot be differentiated again "
                                  "(create_graph=True, gradgradcheck)")
    return backward


torch.library.register_autograd("sycl_dcn::deform_conv2d", _conv_backward, setup_context=_conv_setup)
torch.library.register_autograd("sycl_dcn::deform_psroi_pool", _psroi_backward, setup_context=_psroi_setup)
torch.library.register_autograd("sycl_dcn::deform_conv2d_backward", _no_second_gradient("deform_conv2d"))
torch.library.register_autograd("sycl_dcn::deform_psroi_pool_backward", _no_second_gradient("deform_psroi_pool"))


# Autocast: in float32, and back to the type of the input, as torchvision does. Half types cannot hold the offsets that
# autocast's convolutions hand over any better than they are, but sums and results do not lose more.

def _autocast(name: str, device: str, key: str) -> None:
    def run(input, *others):
        dtype = input.dtype
        cast = [v.float() if isinstance(v, Tensor) and v.is_floating_point() and v.dtype != torch.float64 else v
                for v in (input, *others)]
        with torch.amp.autocast(device, enabled=False):
            result = getattr(_ops, name)(*cast)
        return result.to(dtype) if isinstance(result, Tensor) else (result[0].to(dtype), *result[1:])

    _autocast_library.impl(name, run, key)


_autocast_library = torch.library.Library("sycl_dcn", "FRAGMENT")
for _device, _key in (("cpu", "AutocastCPU"), ("cuda", "AutocastCUDA"), ("xpu", "AutocastXPU")):
    for _name in ("deform_conv2d", "deform_psroi_pool"):
        _autocast(_name, _device, _key)
