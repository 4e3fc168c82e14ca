"""Deformable convolution for training on CUDA GPUs, written in Triton.

Same semantics as `torchvision.ops.deform_conv2d` with stride and dilation 1 and one deformable
group. The input is read channels-last, so that the channels of one sample are contiguous: the
gather, and the atomic sums of its gradient, are then coalesced. The matrix products run in the
input's type (bfloat16 under autocast); positions, offsets, masks and all sums are float32.
The columns matrix is not kept for the backward pass but gathered again.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _corner(x_ptr, image, row, column, channel, valid, H, W, C):
    """One corner's pointers and mask: zero outside the image."""
    inside = valid & (row >= 0) & (row < H) & (column >= 0) & (column < W)
    base = (image * H + row) * W + column
    pointers = x_ptr + base[:, None] * C + channel[None, :]
    return pointers, inside[:, None] & (channel < C)[None, :]


@triton.jit
def _position(offset_ptr, entry, valid, H, W, P, T: tl.constexpr, KW: tl.constexpr,
              PAD: tl.constexpr):
    """Sampling position of each entry (pixel-major, tap-minor): image, row, column."""
    pixel = entry // T
    tap = entry % T
    image = pixel // (H * W)
    dy = tl.load(offset_ptr + pixel * (2 * T) + 2 * tap, mask=valid, other=0.0)
    dx = tl.load(offset_ptr + pixel * (2 * T) + 2 * tap + 1, mask=valid, other=0.0)
    y = ((pixel // W) % H + tap // KW - PAD).to(tl.float32) + dy
    x = (pixel % W + tap % KW - PAD).to(tl.float32) + dx
    inside = valid & (y > -1.0) & (x > -1.0) & (y < H) & (x < W)
    return image, y, x, inside


@triton.jit
def _columns_kernel(x_ptr, offset_ptr, mask_ptr, columns_ptr, H, W, P, C,
                    T: tl.constexpr, KW: tl.constexpr, PAD: tl.constexpr,
                    BE: tl.constexpr, BC: tl.constexpr):
    entry = tl.program_id(0) * BE + tl.arange(0, BE)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    valid = entry < P * T
    image, y, x, inside = _position(offset_ptr, entry, valid, H, W, P, T, KW, PAD)
    m = tl.load(mask_ptr + entry, mask=valid, other=0.0)
    y0 = tl.floor(y)
    x0 = tl.floor(x)
    fy = y - y0
    fx = x - x0
    r = y0.to(tl.int32)
    c = x0.to(tl.int32)
    p, k = _corner(x_ptr, image, r, c, channel, inside, H, W, C)
    out = tl.load(p, mask=k, other=0.0).to(tl.float32) * ((1 - fy) * (1 - fx))[:, None]
    p, k = _corner(x_ptr, image, r, c + 1, channel, inside, H, W, C)
    out += tl.load(p, mask=k, other=0.0).to(tl.float32) * ((1 - fy) * fx)[:, None]
    p, k = _corner(x_ptr, image, r + 1, c, channel, inside, H, W, C)
    out += tl.load(p, mask=k, other=0.0).to(tl.float32) * (fy * (1 - fx))[:, None]
    p, k = _corner(x_ptr, image, r + 1, c + 1, channel, inside, H, W, C)
    out += tl.load(p, mask=k, other=0.0).to(tl.float32) * (fy * fx)[:, None]
    out = out * m[:, None]
    tl.store(columns_ptr + entry.to(tl.int64)[:, None] * C + channel[None, :], out,
             mask=valid[:, None] & (channel < C)[None, :])


@triton.jit
def _backward_kernel(x_ptr, offset_ptr, mask_ptr, grad_columns_ptr, columns_ptr, grad_x_ptr,
                     grad_offset_ptr, grad_mask_ptr, H, W, P, C,
                     T: tl.constexpr, KW: tl.constexpr, PAD: tl.constexpr,
                     BE: tl.constexpr, BC: tl.constexpr, CHUNKS: tl.constexpr):
    entry = tl.program_id(0) * BE + tl.arange(0, BE)
    valid = entry < P * T
    image, y, x, inside = _position(offset_ptr, entry, valid, H, W, P, T, KW, PAD)
    m = tl.load(mask_ptr + entry, mask=valid, other=0.0)
    y0 = tl.floor(y)
    x0 = tl.floor(x)
    fy = (y - y0)[:, None]
    fx = (x - x0)[:, None]
    r = y0.to(tl.int32)
    c = x0.to(tl.int32)
    grad_m = tl.zeros([BE], tl.float32)
    grad_y = tl.zeros([BE], tl.float32)
    grad_x = tl.zeros([BE], tl.float32)
    for chunk in range(CHUNKS):
        channel = chunk * BC + tl.arange(0, BC)
        at = entry.to(tl.int64)[:, None] * C + channel[None, :]
        keep = valid[:, None] & (channel < C)[None, :]
        g = tl.load(grad_columns_ptr + at, mask=keep, other=0.0).to(tl.float32)
        gm = g * m[:, None]
        p, k = _corner(x_ptr, image, r, c, channel, inside, H, W, C)
        q, k = _corner(grad_x_ptr, image, r, c, channel, inside, H, W, C)
        v00 = tl.load(p, mask=k, other=0.0).to(tl.float32)
        tl.atomic_add(q, gm * (1 - fy) * (1 - fx), mask=k, sem="relaxed")
        p, k = _corner(x_ptr, image, r, c + 1, channel, inside, H, W, C)
        q, k = _corner(grad_x_ptr, image, r, c + 1, channel, inside, H, W, C)
        v01 = tl.load(p, mask=k, other=0.0).to(tl.float32)
        tl.atomic_add(q, gm * (1 - fy) * fx, mask=k, sem="relaxed")
        p, k = _corner(x_ptr, image, r + 1, c, channel, inside, H, W, C)
        q, k = _corner(grad_x_ptr, image, r + 1, c, channel, inside, H, W, C)
        v10 = tl.load(p, mask=k, other=0.0).to(tl.float32)
        tl.atomic_add(q, gm * fy * (1 - fx), mask=k, sem="relaxed")
        p, k = _corner(x_ptr, image, r + 1, c + 1, channel, inside, H, W, C)
        q, k = _corner(grad_x_ptr, image, r + 1, c + 1, channel, inside, H, W, C)
        v11 = tl.load(p, mask=k, other=0.0).to(tl.float32)
        tl.atomic_add(q, gm * fy * fx, mask=k, sem="relaxed")
        top = v00 + (v01 - v00) * fx
        bottom = v10 + (v11 - v10) * fx
        value = top + (bottom - top) * fy
        tl.store(columns_ptr + at, value * m[:, None], mask=keep)
        grad_m += tl.sum(g * value, 1)
        grad_y += tl.sum(gm * (bottom - top), 1)
        grad_x += tl.sum(gm * ((v01 - v00) * (1 - fy) + (v11 - v10) * fy), 1)
    tl.store(grad_mask_ptr + entry, grad_m, mask=valid)
    tl.store(grad_offset_ptr + 2 * entry, grad_y, mask=valid)
    tl.store(grad_offset_ptr + 2 * entry + 1, grad_x, mask=valid)


def _rows(tensor):
    """[N, C, H, W] -> [N, H, W, C], contiguous."""
    return tensor.permute(0, 2, 3, 1).contiguous()


def _block(channels):
    return min(128, max(16, triton.next_power_of_2(channels)))


class _DeformConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, offset, mask, weight, bias, padding):
        n, c, h, w = x.shape
        o, _, kh, kw = weight.shape
        pixels, taps = n * h * w, kh * kw
        x, offset, mask = _rows(x), _rows(offset), _rows(mask)
        columns = torch.empty(pixels, taps * c, dtype=x.dtype, device=x.device)
        bc = _block(c)
        be = 2048 // bc
        _columns_kernel[(triton.cdiv(pixels * taps, be), triton.cdiv(c, bc))](
            x, offset, mask, columns, h, w, pixels, c, taps, kw, padding, be, bc)
        kernel = weight.permute(2, 3, 1, 0).reshape(taps * c, o).to(x.dtype)
        out = torch.addmm(bias.to(x.dtype), columns, kernel)
        ctx.save_for_backward(x, offset, mask, kernel)
        ctx.kernel_size, ctx.padding = (kh, kw), padding
        return out.view(n, h, w, o).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, grad):
        x, offset, mask, kernel = ctx.saved_tensors
        (n, h, w, c), (kh, kw), o = x.shape, ctx.kernel_size, kernel.shape[1]
        pixels, taps = n * h * w, kh * kw
        grad = _rows(grad).to(x.dtype).view(pixels, o)
        grad_columns = grad @ kernel.t()
        columns = torch.empty_like(grad_columns)
        grad_x = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
        grad_offset, grad_mask = torch.empty_like(offset), torch.empty_like(mask)
        bc = _block(c)
        be = 2048 // bc
        _backward_kernel[(triton.cdiv(pixels * taps, be),)](
            x, offset, mask, grad_columns, columns, grad_x, grad_offset, grad_mask, h, w, pixels,
            c, taps, kw, ctx.padding, be, bc, triton.cdiv(c, bc))
        grad_kernel = (columns.t() @ grad).float().view(kh, kw, c, o).permute(3, 2, 0, 1)
        return (grad_x.to(x.dtype).permute(0, 3, 1, 2), grad_offset.permute(0, 3, 1, 2),
                grad_mask.permute(0, 3, 1, 2), grad_kernel, grad.float().sum(0), None)


def deform_conv2d(input, offset, weight, bias, padding, mask):
    """input [N, C, H, W] of any float type; offset, mask float32; padding keeps H and W."""
    if 2 * padding + 1 != weight.shape[2] or weight.shape[2] != weight.shape[3]:
        raise ValueError(f"weight: {tuple(weight.shape)} with padding {padding}, expected a square "
                         "kernel whose padding keeps the size")
    if input.shape[0] * input.shape[2] * input.shape[3] * 18 >= 2**31:
        raise ValueError(f"input: {tuple(input.shape)} is too large for 32-bit indices here")
    return _DeformConv.apply(input, offset, mask, weight, bias, padding)
