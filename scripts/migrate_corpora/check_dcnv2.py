"""DCNv2's operators in the migrated extension (run in its folder) against torchvision's CPU operator in double, and double references."""
import torch
from torchvision.ops import deform_conv2d

from dcn_v2 import dcn_v2_conv


def close(name, got, expected, tolerance=2e-5):
    error = ((got.double() - expected).abs().max() / expected.abs().max()).item()
    assert error <= tolerance, f"{name}: off by {error} of the largest value"
    print(f"equal: {name} ({error:.1e})")


def main():
    torch.manual_seed(7)
    n, channels, out, height, width, groups = 2, 8, 6, 13, 11, 2
    shapes = {"input": (n, channels, height, width), "offset": (n, groups * 18, height, width), "mask": (n, groups * 9, height, width),
              "weight": (out, channels, 3, 3), "bias": (out,)}
    values = {k: torch.randn(s, dtype=torch.float64) for k, s in shapes.items()}
    values["offset"] *= 2
    values["mask"] = values["mask"].sigmoid()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        ours = {k: (v.float().contiguous(memory_format=memory_format) if v.dim() == 4 and k in ("input", "offset", "mask") else v.float()).requires_grad_() for k, v in values.items()}
        theirs = {k: v.clone().requires_grad_() for k, v in values.items()}
        got = dcn_v2_conv(ours["input"], ours["offset"], ours["mask"], ours["weight"], ours["bias"], 1, 1, 1, groups)
        expected = deform_conv2d(theirs["input"], theirs["offset"], theirs["weight"], theirs["bias"], padding=1, mask=theirs["mask"])
        label = "" if memory_format == torch.contiguous_format else " channels_last"
        close("forward" + label, got, expected.detach())
        if label:
            continue
        direction = torch.randn_like(expected)
        expected.backward(direction)
        got.backward(direction.float())
        for key in ours:
            close("gradient of " + key, ours[key].grad, theirs[key].grad)


if __name__ == "__main__":
    main()
