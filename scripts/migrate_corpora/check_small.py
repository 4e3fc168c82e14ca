"""Small extensions, migrated (run in the extension's folder), against plain PyTorch: check_small.py EXTENSION."""
import sys

import torch


def show(what, got, expected, **tolerance):
    torch.testing.assert_close(got.to(expected.dtype), expected, **tolerance)
    print(f"equal: {what}")


def simple_knn():
    import simple_knn._C as ext  # noqa: PLC0415
    points = torch.randn(3000, 3)
    near = torch.cdist(points.double(), points.double()).topk(4, largest=False).values[:, 1:]
    show("mean square distance to three neighbours", ext.distCUDA2(points), (near ** 2).mean(1), rtol=1e-3, atol=1e-6)


if __name__ == "__main__":
    torch.manual_seed(0)
    globals()[sys.argv[1]]()
