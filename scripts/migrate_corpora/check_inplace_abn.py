"""inplace_abn's operators in the migrated extension (run in its folder) against plain PyTorch in double."""
import torch
from inplace_abn.functions import inplace_abn

ACTIVATIONS = {"leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.2), "elu": lambda x: torch.nn.functional.elu(x, 0.2), "identity": lambda x: x}


def expected(x, weight, bias, mean, var, training, activation, eps=1e-5):
    """Batch norm whose scale is |weight| + eps, then the activation; and the new running mean and variance."""
    over = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        now, spread = x.mean(over), x.var(over, unbiased=False)
        count = x.numel() / x.shape[1]
        after = [(0.9 * mean + 0.1 * now).detach(), (0.9 * var + 0.1 * spread * count / (count - 1)).detach()]
    else:
        now, spread, after = mean, var, [mean, var]
    x = (x - now.view(shape)) / (spread + eps).sqrt().view(shape)
    if weight is not None:
        x = x * (weight.abs() + eps).view(shape) + bias.view(shape)
    return ACTIVATIONS[activation](x), after


def main():
    torch.manual_seed(0)
    for shape in ((6, 5), (4, 7, 9, 11), (2, 3, 40, 37)):
        for activation in ACTIVATIONS:
            for training in (True, False):
                for dtype, tolerance in ((torch.float32, 2e-4), (torch.float64, 1e-5)):
                    x = torch.randn(shape, dtype=dtype)
                    weight, bias, mean = torch.randn(3, shape[1], dtype=dtype)
                    weight = weight + weight.sign() / 2  # small ones lose digits: the input is computed back from the output
                    var = torch.rand(shape[1], dtype=dtype) + 0.5
                    ours, theirs = [[t.clone().to(d).requires_grad_() for t in (x, weight, bias)] for d in (dtype, torch.float64)]
                    running = [mean.clone(), var.clone()]
                    got = inplace_abn(ours[0] * 1, ours[1], ours[2], *running, training=training, activation=activation, activation_param=0.2)
                    wanted, after = expected(*theirs, mean.double(), var.double(), training, activation)
                    close = lambda a, b: torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)  # noqa: E731
                    close(got, wanted.detach())
                    for mine, other in zip(running, after):
                        close(mine, other)
                    if training:
                        direction = torch.randn(shape, dtype=dtype)
                        got.backward(direction)
                        wanted.backward(direction.double())
                        for mine, other in zip(ours, theirs):
                            close(mine.grad, other.grad)
            print(f"equal: {activation}, {shape}, and its gradients")


if __name__ == "__main__":
    main()
