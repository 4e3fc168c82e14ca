"""Reductions over segments of rows, with gradients."""
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import _C


class SegmentSum(Function):
    @staticmethod
    def forward(ctx, x, segment, segments):
        ctx.save_for_backward(segment)
        return _C.segment_reduce(x, segment, segments, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (segment,) = ctx.saved_tensors
        return _C.segment_gather(grad.contiguous(), segment), None, None


def segment_sum(x, segment, segments):
    if not x.is_cuda:
        raise NotImplementedError("segment_sum needs CUDA tensors")
    return SegmentSum.apply(x, segment, segments)


def segment_mean(x, segment, segments):
    return _C.segment_reduce(x, segment, segments, 1)


def segment_max(x, segment, segments):
    return _C.segment_reduce(x, segment, segments, 2)


smooth = _C.smooth
bounds = _C.bounds
