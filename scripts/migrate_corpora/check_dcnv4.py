"""DCNv4's operators in the migrated extension (run in its folder) against plain PyTorch in double."""
import torch
from DCNv4.functions import DCNv4Function, FlashDeformAttnFunction


def close(name, got, expected, tolerance=2e-5):
    error = ((got.double() - expected).abs().max() / expected.abs().max()).item()
    assert error <= tolerance, f"{name}: off by {error} of the largest value"
    print(f"equal: {name} ({error:.1e})")


def sampled(image, x, y):
    """Bilinear with zeros outside: image (n, channels, height, width), places (n, points) in pixels; (n, channels, points)."""
    height, width = image.shape[2:]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)[:, None]
    return torch.nn.functional.grid_sample(image, grid, align_corners=True)[:, :, 0]


def dcnv4(value, offset_mask, groups, channels, scale):
    """3 x 3, stride 1, padding 1. Points go down the columns first."""
    n, height, width, _ = value.shape
    image = value.view(n, height, width, groups, channels).permute(0, 3, 4, 1, 2).flatten(0, 1)
    parts = offset_mask[..., :groups * 27].unflatten(-1, (groups, 27)).permute(0, 3, 4, 1, 2).flatten(0, 1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    out = 0
    for k in range(9):
        px = x + (k // 3 - 1 + parts[:, 2 * k]) * scale
        py = y + (k % 3 - 1 + parts[:, 2 * k + 1]) * scale
        out = out + sampled(image, px.flatten(1), py.flatten(1)) * parts[:, 18 + k].flatten(1)[:, None]
    return out.view(n, groups, channels, height, width).permute(0, 3, 4, 1, 2).flatten(3)


def attention(value, shapes, places_and_weights, points):
    n, _, groups, channels = value.shape
    queries, levels = places_and_weights.shape[1], len(shapes)
    split = places_and_weights.view(n, queries, groups, -1)
    places = split[..., :levels * points * 2].view(n, queries, groups, levels, points, 2)
    weights = split[..., levels * points * 2:].softmax(-1).view(n, queries, groups, levels, points)
    out, start = 0, 0
    for level, (height, width) in enumerate(shapes.tolist()):
        image = value[:, start:start + height * width].permute(0, 2, 3, 1).reshape(n * groups, channels, height, width)
        start += height * width
        where = places[:, :, :, level].permute(0, 2, 1, 3, 4).flatten(0, 1)
        got = sampled(image, (where[..., 0] * width - 0.5).flatten(1), (where[..., 1] * height - 0.5).flatten(1)).unflatten(2, (queries, points))
        out = out + (got * weights[:, :, :, level].permute(0, 2, 1, 3).flatten(0, 1)[:, None]).sum(-1)
    return out.view(n, groups * channels, queries).transpose(1, 2)


def main():
    torch.manual_seed(0)
    n, height, width, groups, channels = 2, 8, 6, 4, 16
    value, offset_mask = torch.randn(n, height, width, groups * channels), torch.randn(n, height, width, 112)
    ours, theirs = [[t.clone().to(dtype).requires_grad_() for t in (value, offset_mask)] for dtype in (torch.float32, torch.float64)]
    got = DCNv4Function.apply(*ours, 3, 3, 1, 1, 1, 1, 1, 1, groups, channels, 1.5, 256, False)
    expected = dcnv4(*theirs, groups, channels, 1.5)
    close("dcnv4", got, expected.detach())
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction.double())
    close("dcnv4, gradient of the input", ours[0].grad, theirs[0].grad)
    close("dcnv4, gradient of offsets and weights", ours[1].grad[..., :108], theirs[1].grad[..., :108])

    shapes = torch.tensor([[6, 8], [3, 4], [2, 2], [5, 3]])
    # A block takes up to 64 queries, and all its values from one picture: a picture's queries must fill whole blocks.
    starts, points, queries = torch.cat([torch.zeros(1, dtype=torch.long), shapes.prod(1).cumsum(0)[:-1]]), 8, 64
    value = torch.randn(n, int(shapes.prod(1).sum()), groups, channels)
    places = torch.cat([torch.rand(n, queries, groups, 4 * points * 2), torch.randn(n, queries, groups, 4 * points)], -1).flatten(2)
    ours, theirs = [[t.clone().to(dtype).requires_grad_() for t in (value, places)] for dtype in (torch.float32, torch.float64)]
    got = FlashDeformAttnFunction.apply(ours[0], shapes, starts, ours[1].view(n, queries, groups, -1), 64, points)
    expected = attention(theirs[0], shapes, theirs[1], points)
    close("attention", got, expected.detach())
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction.double())
    close("attention, gradient of the values", ours[0].grad, theirs[0].grad)
    close("attention, gradient of places and weights", ours[1].grad, theirs[1].grad)


if __name__ == "__main__":
    main()
