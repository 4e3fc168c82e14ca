"""causal-conv1d, migrated (run in its folder), against PyTorch's convolution in double precision."""
import torch
from causal_conv1d import causal_conv1d_fn


def definition(x, weight, bias, activation):
    width, dim, length = weight.shape[1], x.shape[1], x.shape[2]
    out = torch.nn.functional.conv1d(x, weight[:, None], bias, padding=width - 1, groups=dim)[..., :length]
    return torch.nn.functional.silu(out) if activation else out


def compare(length, width, activation, tolerance):
    leaves = [torch.randn(2, 8, length, requires_grad=True), torch.randn(8, width, requires_grad=True), torch.randn(8, requires_grad=True)]
    mine = [t.detach().double().requires_grad_() for t in leaves]
    got, expected = causal_conv1d_fn(*leaves, activation=activation), definition(*mine, activation)
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)
    direction = torch.randn_like(got)
    got.backward(direction)
    expected.backward(direction.double())
    for a, b in zip(leaves, mine):
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=tolerance, atol=tolerance * float(b.grad.abs().max()))
    print(f"equal: {length} steps, width {width}, {activation}; gradients", flush=True)


def main():
    torch.manual_seed(0)
    compare(1200, 4, "silu", 2e-5)  # more than two chunks, in vectors
    compare(701, 3, None, 2e-5)  # a length that no vector divides


if __name__ == "__main__":
    main()
