"""Operators of mmcv in the migrated extension (run in its folder) against torchvision's and PyTorch's, by their definitions.

The module is mmcv's own, or one that a setup.py of fewer sources built: the operators that it lacks are told and left out."""
import glob
import importlib.util

import torch
import torch.nn.functional as F
import torchvision.ops as vision


def module():
    path = (glob.glob("mmcv/_ext*.so") + glob.glob("_mmcv*.so"))[0]
    spec = importlib.util.spec_from_file_location(path.split("/")[-1].split(".")[0], path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def boxes(n, size):
    corner = torch.rand(n, 2) * size * 0.6
    return torch.cat([corner, corner + 1 + torch.rand(n, 2) * size * 0.3], 1)


def nms(ops):
    box, score = boxes(300, 64), torch.rand(300)
    torch.testing.assert_close(ops.nms(box, score, iou_threshold=0.4, offset=0), vision.nms(box, score, 0.4))


def roi_align_forward(ops):
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(2, 5, 24, 20, dtype=dtype, requires_grad=True)
        rois = torch.cat([torch.randint(0, 2, (7, 1)), boxes(7, 40)], 1).to(dtype)
        empty, out, grad = torch.zeros(0, dtype=dtype), torch.zeros(7, 5, 3, 4, dtype=dtype), torch.zeros_like(x)
        options = {"aligned_height": 3, "aligned_width": 4, "spatial_scale": 0.5, "sampling_ratio": 2, "pool_mode": 1, "aligned": True}
        wanted = vision.roi_align(x, rois, (3, 4), 0.5, 2, True)
        ops.roi_align_forward(x.detach(), rois, out, empty, empty, **options)
        torch.testing.assert_close(out, wanted, rtol=1e-5, atol=1e-5)
        direction = torch.randn_like(wanted)
        wanted.backward(direction)
        ops.roi_align_backward(direction, rois, empty, empty, grad, **options)
        torch.testing.assert_close(grad, x.grad, rtol=1e-5, atol=1e-5)


def modulated_deform_conv_forward(ops):
    x, weight, bias = torch.randn(2, 6, 9, 8), torch.randn(4, 6, 3, 3), torch.randn(4)
    offset, mask = torch.randn(2, 36, 9, 8), torch.rand(2, 18, 9, 8)
    inputs = [t.double().requires_grad_() for t in (x, offset, weight, bias, mask)]
    wanted = vision.deform_conv2d(inputs[0], inputs[1], inputs[2], inputs[3], padding=1, mask=inputs[4])
    ones, columns, out = torch.empty(0), torch.empty(0), torch.zeros(2, 4, 9, 8)
    numbers = {"kernel_h": 3, "kernel_w": 3, "stride_h": 1, "stride_w": 1, "pad_h": 1, "pad_w": 1, "dilation_h": 1, "dilation_w": 1,
               "group": 1, "deformable_group": 2, "with_bias": True}
    ops.modulated_deform_conv_forward(x, weight, bias, ones, offset, mask, out, columns, **numbers)
    torch.testing.assert_close(out.double(), wanted, rtol=1e-4, atol=1e-4)
    direction = torch.randn_like(out)
    wanted.backward(direction.double())
    grads = [torch.zeros_like(t) for t in (x, weight, bias, offset, mask)]
    ops.modulated_deform_conv_backward(x, weight, bias, ones, offset, mask, columns, *grads, direction, **numbers)
    for got, expected in zip(grads, (inputs[i].grad for i in (0, 2, 3, 1, 4))):
        torch.testing.assert_close(got.double(), expected, rtol=1e-3, atol=1e-3)


def ball_query_forward(ops):
    points, centres = torch.rand(2, 200, 3), torch.rand(2, 50, 3)
    out = torch.zeros(2, 50, 8, dtype=torch.int32)
    ops.ball_query_forward(centres, points, out, b=2, n=200, m=50, min_radius=0.05, max_radius=0.3, nsample=8)
    far = torch.cdist(centres.double(), points.double())
    for b in range(2):
        for m in range(50):
            found = ((far[b, m] < 0.3) & (far[b, m] >= 0.05) | (far[b, m] == 0)).nonzero().flatten()[:8]
            wanted = torch.zeros(8, dtype=torch.int32)
            if len(found):
                wanted[:] = found[0]
                wanted[:len(found)] = found
            assert torch.equal(out[b, m], wanted)


def furthest_point_sampling_forward(ops):
    points = torch.rand(2, 500, 3)
    out = torch.zeros(2, 20, dtype=torch.int32)
    ops.furthest_point_sampling_forward(points, torch.full((2, 500), 1e10), out, b=2, n=500, m=20)
    for b in range(2):
        chosen, near = [0], torch.full((500,), 1e10)
        for _ in range(19):
            near = torch.minimum(near, ((points[b] - points[b, chosen[-1]]) ** 2).sum(1))
            chosen.append(int(near.argmax()))
        assert out[b].tolist() == chosen


def sigmoid_focal_loss_forward(ops):
    for dtype, near in ((torch.float32, 1e-5), (torch.float16, 5e-3)):
        x, weight = torch.randn(40, 6).to(dtype), torch.rand(6).to(dtype)
        wide = x.double().requires_grad_()
        # The weight of the background, class 6, would be read behind the last one.
        for given, classes in ((torch.empty(0, dtype=dtype), 7), (weight, 6)):
            target = torch.randint(0, classes, (40,))
            wanted = vision.sigmoid_focal_loss(wide, F.one_hot(target, 7)[:, :6].double(), 0.25, 2.0)
            factor = weight.double()[target][:, None] if classes == 6 else 1.0
            out, grad = torch.zeros_like(x), torch.zeros_like(x)
            ops.sigmoid_focal_loss_forward(x, target, given, out, gamma=2.0, alpha=0.25)
            torch.testing.assert_close(out.double(), wanted * factor, rtol=near, atol=near)
            ops.sigmoid_focal_loss_backward(x, target, given, grad, gamma=2.0, alpha=0.25)
            expected, = torch.autograd.grad((wanted * factor).sum(), wide, retain_graph=True)
            torch.testing.assert_close(grad.double(), expected, rtol=near, atol=near)


def masked_im2col_forward(ops):
    x, weight, bias = torch.randn(1, 3, 10, 9), torch.randn(4, 3, 3, 3), torch.randn(4)
    mask = torch.rand(10, 9) > 0.5
    where = mask.nonzero()
    rows, columns, out = where[:, 0].contiguous(), where[:, 1].contiguous(), torch.zeros(1, 4, 10, 9)
    unfolded = torch.zeros(27, len(where))
    ops.masked_im2col_forward(x, rows, columns, unfolded, kernel_h=3, kernel_w=3, pad_h=1, pad_w=1)
    ops.masked_col2im_forward(torch.addmm(bias[:, None], weight.view(4, -1), unfolded), rows, columns, out, height=10, width=9, channels=4)
    torch.testing.assert_close(out, F.conv2d(x, weight, bias, padding=1) * mask, rtol=1e-5, atol=1e-5)


def carafe_reference(x, mask, kernel, group, scale):
    n, c, h, w = x.shape
    near = F.unfold(x, kernel, padding=kernel // 2).view(n, c, kernel * kernel, h, w)
    near = near.repeat_interleave(scale, 3).repeat_interleave(scale, 4).view(n, group, c // group, kernel * kernel, h * scale, w * scale)
    return (near * mask.view(n, group, 1, kernel * kernel, h * scale, w * scale)).sum(3).view(n, c, h * scale, w * scale)


def carafe_forward(ops):
    for dtype, near in ((torch.float32, 1e-4), (torch.float64, 1e-8), (torch.float16, 2e-2)):
        x, mask = torch.randn(2, 8, 5, 6).to(dtype), torch.rand(2, 18, 10, 12).to(dtype)
        wide = [t.double().requires_grad_() for t in (x, mask)]
        wanted = carafe_reference(*wide, 3, 2, 2)
        out, numbers = torch.zeros(2, 8, 10, 12, dtype=dtype), {"kernel_size": 3, "group_size": 2, "scale_factor": 2}
        moved_x, moved_out, moved_mask = torch.zeros_like(x), torch.zeros_like(out), torch.zeros_like(mask)
        ops.carafe_forward(x, mask, moved_x, moved_out, moved_mask, out, **numbers)
        torch.testing.assert_close(out.double(), wanted, rtol=near, atol=near)
        direction = torch.randn(2, 8, 10, 12).to(dtype)
        wanted.backward(direction.double())
        grad_x, grad_mask = torch.zeros_like(x), torch.zeros_like(mask)
        ops.carafe_backward(direction, moved_x, mask, torch.zeros_like(out), torch.zeros_like(out), torch.zeros_like(x), torch.zeros_like(mask),
                            grad_x, grad_mask, **numbers)
        for got, expected in zip((grad_x, grad_mask), (w.grad for w in wide)):
            torch.testing.assert_close(got.double(), expected, rtol=near, atol=near * expected.abs().max().item())


ACTIVATIONS = {"relu": (2, lambda x: x.relu()), "lrelu": (3, lambda x: F.leaky_relu(x, 0.2)), "tanh": (4, torch.tanh), "sigmoid": (5, torch.sigmoid),
               "elu": (6, F.elu), "selu": (7, F.selu), "softplus": (8, F.softplus), "swish": (9, lambda x: x * torch.sigmoid(x)), "linear": (1, lambda x: x)}


def bias_act(ops):
    for dtype, near in ((torch.float32, 1e-5), (torch.float64, 1e-9), (torch.float16, 5e-3)):
        none = torch.empty(0, dtype=dtype)
        for name, (number, function) in ACTIVATIONS.items():
            x, b, dy = torch.randn(3, 4, 50).to(dtype), torch.randn(4).to(dtype), torch.randn(3, 4, 50).to(dtype)
            wide = x.double().requires_grad_()
            wanted = (function(wide + b.double()[:, None]) * 1.5).clamp(-1.2, 1.2)
            got = ops.bias_act(x, b, none, none, none, 0, 1, number, 0.2, 1.5, 1.2)
            torch.testing.assert_close(got.double(), wanted, rtol=near, atol=near)
            if dtype == torch.float16:
                continue  # the derivative jumps where rounding moves a value over the clamp
            grad = ops.bias_act(dy, b, x, got, none, 1, 1, number, 0.2, 1.5, 1.2)
            torch.testing.assert_close(grad.double(), torch.autograd.grad(wanted, wide, dy.double())[0], rtol=10 * near, atol=10 * near)


def resampled(x, f, up=1, down=1, pad=(0, 0, 0, 0), flip=False, gain=1.0):
    """Zeros between the pixels, a filter, and every down-th pixel of the result."""
    f = f.double() if f.ndim == 2 else torch.outer(f, f).double()
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h * up, w * up)
    wide[..., ::up, ::up] = x
    wide = F.pad(wide, pad)
    kernel = (f if flip else f.flip(0, 1))[None, None].expand(c, 1, -1, -1)
    return F.conv2d(wide, kernel * gain, groups=c)[..., ::down, ::down]


def upfirdn2d(ops):
    for dtype, near in ((torch.float32, 1e-5), (torch.float64, 1e-9), (torch.float16, 1e-2)):
        for size, up, down, flip in ((4, 2, 1, False), (4, 1, 2, True), (6, 2, 2, False), (3, 1, 1, True), (30, 3, 2, False)):
            x, f = torch.randn(2, 5, 17, 20).to(dtype), torch.rand(size, size)
            f /= f.sum()
            for memory in (torch.contiguous_format, torch.channels_last):
                got = ops.upfirdn2d(x.contiguous(memory_format=memory), f, up, up, down, down, 3, 2, size, 1, flip, 1.5)
                torch.testing.assert_close(got.double(), resampled(x.double(), f, up, down, (3, 2, size, 1), flip, 1.5), rtol=near, atol=near)


def filtered_lrelu(ops):
    none = torch.empty(0, dtype=torch.uint8)
    for dtype, near in ((torch.float32, 1e-4), (torch.float16, 2e-2)):
        for up, down, fu, fd in ((2, 2, torch.rand(8), torch.rand(8)), (1, 1, torch.ones(1, 1), torch.ones(1, 1)), (2, 2, torch.rand(8, 8), torch.rand(8))):
            fu, fd = fu / fu.sum(), fd / fd.sum()
            x, b, gain, slope, clamp, pad = torch.randn(2, 3, 19, 22).to(dtype), torch.randn(3).to(dtype), 1.4, 0.2, 0.7, (4, 3, 2, 5)
            wide = x.double().requires_grad_()
            inner = resampled(wide + b.double()[:, None, None], fu, up, 1, pad, False, up * up)
            wanted = resampled((F.leaky_relu(inner, slope) * gain).clamp(-clamp, clamp), fd, 1, down)
            got, _, code = ops.filtered_lrelu(x, fu, fd, b, none, up, down, *pad, 0, 0, gain, slope, clamp, False, False)
            assert code == 0
            torch.testing.assert_close(got.double(), wanted, rtol=near, atol=near)
            if dtype == torch.float16:
                continue
            again, signs, _ = ops.filtered_lrelu(x, fu, fd, b, none, up, down, *pad, 0, 0, gain, slope, clamp, False, True)
            torch.testing.assert_close(again, got)
            # Back: the same operator with the filters' places changed, and the signs that it wrote.
            dy, high, width = torch.randn_like(got), *x.shape[2:]
            back = [fu.shape[-1] - 1 + fd.shape[-1] - 1 - pad[0], width * up - got.shape[3] * down + pad[0] - (up - 1),
                    fu.shape[0] - 1 + fd.shape[0] - 1 - pad[2], high * up - got.shape[2] * down + pad[2] - (up - 1)]
            place = pad[0] - (fu.shape[-1] - 1), pad[2] - (fu.shape[0] - 1)
            grad, _, code = ops.filtered_lrelu(dy, fd, fu, torch.zeros(3), signs, down, up, *back, *place, gain * up * up / down / down, slope,
                                               float("inf"), True, False)
            assert code == 0
            torch.testing.assert_close(grad.double(), torch.autograd.grad(wanted, wide, dy.double())[0], rtol=10 * near, atol=10 * near)


def main():
    torch.manual_seed(0)
    ops = module()
    for check in (nms, roi_align_forward, modulated_deform_conv_forward, ball_query_forward, furthest_point_sampling_forward,
                  sigmoid_focal_loss_forward, masked_im2col_forward, carafe_forward, bias_act, upfirdn2d, filtered_lrelu):
        name = check.__name__.removesuffix("_forward")
        if not hasattr(ops, check.__name__):
            print("not built:", name)
            continue
        try:
            check(ops)
        except Exception as error:
            print("different:", name, error)
            continue
        print("equal:", name, flush=True)


if __name__ == "__main__":
    main()
