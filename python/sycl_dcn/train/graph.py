"""Replays a training step as one CUDA graph.

Launching the thousand kernels of a step one by one takes the CPU longer than the GPU needs to run
them; a graph is launched at once.
"""

from __future__ import annotations

import torch

WARM_UP = 3  # steps before capture: they fill caches and choose algorithms


class GraphStepper:
    """Calls `trainer.step_on_device(strong)`: a few times as it is, then as a captured graph."""

    def __init__(self, trainer):
        self.trainer = trainer
        self.stream = torch.cuda.Stream()
        self.phase, self.calls, self.graph, self.losses = None, 0, None, {}

    def __call__(self, strong: bool) -> dict[str, torch.Tensor]:
        if strong != self.phase:
            self.phase, self.calls, self.graph = strong, 0, None
        self.calls += 1
        if self.calls <= WARM_UP:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                losses = self.trainer.step_on_device(strong)
            torch.cuda.current_stream().wait_stream(self.stream)
            return losses
        if self.graph is None:
            self._capture(strong)
        self.graph.replay()
        return self.losses

    def _capture(self, strong: bool) -> None:
        self.trainer.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(self.trainer.generator)
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.losses = self.trainer.step_on_device(strong)
