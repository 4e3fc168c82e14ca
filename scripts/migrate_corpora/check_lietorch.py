"""The kernels of lietorch in the migrated extension (run in its folder) against its own code for the CPU, which a second process runs with
CSY_DEVICE=none, and the exponential maps against PyTorch's matrix exponential."""
import io
import os
import subprocess
import sys

import torch
import lietorch_backends as ops

GROUPS = {1: ("SO3", 3, 4), 2: ("RxSO3", 4, 5), 3: ("SE3", 6, 7), 4: ("Sim3", 7, 8)}


def numbers():
    """Results of all functions, by group, type and name."""
    torch.manual_seed(0)
    out = {}
    for group, (name, tangent, embedded) in GROUPS.items():
        for dtype in (torch.float32, torch.float64):
            a, b = (0.7 * torch.randn(70, tangent, dtype=dtype) for _ in range(2))
            x, y = ops.expm(group, a), ops.expm(group, b)
            p, q, grad = torch.randn(70, 3, dtype=dtype), torch.randn(70, 4, dtype=dtype), torch.randn(70, embedded, dtype=dtype)
            plain = {"expm": (a,), "logm": (x,), "inv": (x,), "mul": (x, y), "adj": (x, a), "adjT": (x, a), "act": (x, p), "act4": (x, q),
                     "as_matrix": (x,), "projector": (x,), "Jinv": (x, a)}
            for function, inputs in plain.items():
                result = getattr(ops, function)(group, *inputs)
                out[name, dtype, function] = [result]
                if hasattr(ops, function + "_backward"):
                    direction = grad if result.shape == grad.shape else torch.randn_like(result)
                    out[name, dtype, function + "_backward"] = getattr(ops, function + "_backward")(group, direction, *inputs)
    return out


def main():
    if os.environ.get("CSY_DEVICE") == "none":
        buffer = io.BytesIO()
        torch.save(numbers(), buffer)
        sys.stdout.buffer.write(buffer.getvalue())
        return
    got = numbers()
    own = subprocess.run([sys.executable, __file__], env={**os.environ, "CSY_DEVICE": "none"}, capture_output=True, check=True).stdout
    for (name, dtype, function), wanted in torch.load(io.BytesIO(own), weights_only=False).items():
        near = 2e-3 if dtype == torch.float32 else 1e-8
        for a, b in zip(got[name, dtype, function], wanted):
            torch.testing.assert_close(a, b, rtol=near, atol=near, msg=lambda text, what=f"{name} {function} {dtype}": f"{what}: {text}")
    for name, _, _ in GROUPS.values():
        print("equal:", name, len(got) // 4, "results")
    a = 0.7 * torch.randn(50, 3, dtype=torch.float64)
    zero = torch.zeros(50, dtype=torch.float64)
    hat = torch.stack([zero, -a[:, 2], a[:, 1], a[:, 2], zero, -a[:, 0], -a[:, 1], a[:, 0], zero], 1).view(50, 3, 3)
    torch.testing.assert_close(ops.as_matrix(1, ops.expm(1, a))[:, :3, :3], torch.matrix_exp(hat), rtol=1e-8, atol=1e-8)
    print("equal: rotations and matrix exponentials")


if __name__ == "__main__":
    main()
