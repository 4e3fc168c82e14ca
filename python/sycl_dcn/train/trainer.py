"""The training loop: schedule, moving average, checkpoints, log."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from . import targets as target_maps
from .augment import AugmentConfig, Augmenter, DeviceDataset
from .average_precision import Metrics
from .data import STRIDE, Split
from .detect import Evaluator
from .export import ModelInfo, export
from .graph import GraphStepper
from .losses import detection_loss
from .networks import build, ctdet_heads
from .progress import ProgressBar


class TrainingError(RuntimeError):
    """Training cannot go on."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result; stored in each checkpoint."""

    arch: str = "dla_34"
    widths: tuple[int, ...] | None = None
    head_conv: int | None = None
    epochs: int = 300
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 500  # iterations
    clip: float = 20.0  # norm of the gradient
    ema: float = 0.9995
    wh_weight: float = 0.1
    off_weight: float = 1.0
    iou_weight: float = 0.0
    spread: bool = False
    calm: float = 0.15  # last part of training, without mosaic and blending
    bf16: bool = True  # on CUDA
    seed: int = 1


class MovingAverage:
    """Exponential moving average of a network's weights and statistics."""

    def __init__(self, network, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    def share(self, step: int) -> float:
        """Share of the new weights; falls to 1 - decay, so that the first weights are soon forgotten."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, network, share: torch.Tensor) -> None:
        """average += share * (network - average)"""
        ours, theirs = self.network.state_dict(), network.state_dict()
        names = [k for k, v in ours.items() if v.is_floating_point()]
        mine = [ours[k] for k in names]
        step = torch._foreach_sub([theirs[k] for k in names], mine)
        torch._foreach_mul_(step, share)
        torch._foreach_add_(mine, step)


class Trainer:
    """Holds the whole state of a training run. `fit` runs it; `state_dict` resumes it exactly."""

    def __init__(self, config: TrainConfig, augment: AugmentConfig, train: Split, device,
                 rank: int = 0, world: int = 1, graph: bool = True):
        torch.manual_seed(config.seed)
        self.config, self.device, self.rank, self.world = config, torch.device(device), rank, world
        self.labels = train.labels
        self.network = build(config.arch, ctdet_heads(len(train.labels)), config.head_conv,
                             config.widths)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.average = MovingAverage(self.network, config.ema)
        decay = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        # Tensors, because a captured graph reads them anew at each replay.
        self.rate = torch.tensor(config.learning_rate, device=self.device)
        self.share = torch.tensor(1.0, device=self.device)
        self.optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": config.weight_decay},
             {"params": plain, "weight_decay": 0.0}], lr=self.rate, fused=True,
            capturable=self.device.type == "cuda")
        self.stepper = GraphStepper(self) if graph and world == 1 and self.device.type == "cuda" \
            else self.step_on_device
        self.generator = torch.Generator(self.device).manual_seed(config.seed * 1000 + rank)
        dataset = DeviceDataset(train, self.device, augment.repeat_threshold)
        self.augmenter = Augmenter(dataset, augment, self.generator)
        self.steps_per_epoch = max(1, math.ceil(len(train) / (config.batch * world)))
        self.total_steps = config.epochs * self.steps_per_epoch
        self.step = 0
        self.best_ap50 = -1.0
        self.seconds = 0.0

    def initialise(self, weights: dict[str, torch.Tensor]) -> None:
        """Starts from other weights (batch counters may be missing); everything else is new."""
        for network in (self.network, self.average.network):
            keys = network.load_state_dict(weights, strict=False)
            missing = [k for k in keys.missing_keys if not k.endswith("num_batches_tracked")]
            if missing or keys.unexpected_keys:
                raise TrainingError(f"initial weights: missing {missing[:5]}, "
                                    f"unexpected {keys.unexpected_keys[:5]}")

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a half cosine down to a hundredth."""
        cfg = self.config
        warmup = min(cfg.warmup, self.total_steps // 10)
        if step < warmup:
            return cfg.learning_rate * (step + 1) / warmup
        part = (step - warmup) / max(1, self.total_steps - warmup)
        return cfg.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, part))))

    def train_step(self) -> dict[str, torch.Tensor]:
        """One batch; returns the losses as tensors (nothing waits for the device)."""
        self.network.train()
        self.rate.fill_(self.learning_rate(self.step))
        self.step += 1
        self.share.fill_(self.average.share(self.step))
        return self.stepper(self.step <= (1 - self.config.calm) * self.total_steps)

    def step_on_device(self, strong: bool) -> dict[str, torch.Tensor]:
        """The part of a step that runs on the device alone: batch, targets, losses, update."""
        cfg = self.config
        with torch.no_grad():
            images, boxes, classes = self.augmenter.batch(cfg.batch, strong)
            images = images.contiguous(memory_format=torch.channels_last)
            side = images.shape[-1] // STRIDE
            wanted = target_maps.draw(boxes / STRIDE, classes, len(self.labels), side, side)
            points = target_maps.spread(wanted, side, side) if cfg.spread else wanted
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=cfg.bf16 and self.device.type == "cuda"):
            outputs = self.network(images)
        loss, parts = detection_loss(outputs, wanted.heat, points, cfg.wh_weight, cfg.off_weight,
                                     cfg.iou_weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._average_gradients()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), cfg.clip)
        self.optimizer.step()
        self.average.update(self.network, self.share)
        return {"loss": loss.detach(), **parts}

    def _average_gradients(self) -> None:
        if self.world == 1:
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        start = 0
        for g in gradients:
            g.copy_(flat[start:start + g.numel()].view_as(g))
            start += g.numel()

    def state_dict(self) -> dict:
        """Network, average, optimiser, position and random numbers."""
        return {"config": asdict(self.config), "labels": list(self.labels), "step": self.step,
                "best_ap50": self.best_ap50, "seconds": self.seconds,
                "network": self.network.state_dict(), "average": self.average.network.state_dict(),
                "optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Continues where `state` was saved; the run's settings must be the same."""
        mine = asdict(self.config)
        other = {k: tuple(v) if isinstance(v, list) else v for k, v in state["config"].items()}
        wrong = [f"{k} {other.get(k)} (now {v})" for k, v in mine.items() if other.get(k) != v]
        if wrong or state["labels"] != list(self.labels):
            raise TrainingError("resume: the checkpoint was made with other settings: "
                                + (", ".join(wrong) or f"labels {state['labels']}"))
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.generator.set_state(state["generator"].cpu())
        self.step, self.best_ap50, self.seconds = state["step"], state["best_ap50"], state["seconds"]

    def save(self, path) -> None:
        """Writes the checkpoint whole or not at all."""
        temporary = f"{path}.part"
        torch.save(self.state_dict(), temporary)
        os.replace(temporary, path)

    def fit(self, out: Path, evaluator: Evaluator | None, info: ModelInfo, eval_epochs: int,
            time_limit: float = math.inf, log_steps: int = 50) -> bool:
        """Trains to the end, or to `time_limit` seconds from now; true when it is finished.

        Writes to `out`: log.jsonl, last.pt (resume from it), best.safetensors (the average with the
        best AP50 on the validation split), last.safetensors. Only rank 0 writes.
        """
        begin, before = time.monotonic(), self.seconds
        bar = ProgressBar(self.total_steps, self.rank == 0)
        eval_steps = eval_epochs * self.steps_per_epoch
        while self.step < self.total_steps:
            losses = self.train_step()
            self.seconds = before + time.monotonic() - begin
            if self.step % log_steps == 0 or self.step == self.total_steps:
                values = {k: round(float(v), 4) for k, v in losses.items()}
                if not math.isfinite(values["loss"]):
                    raise TrainingError(f"step {self.step}: the loss is {values['loss']}; use a lower "
                                        "learning rate, or resume from the last checkpoint")
                self._log(out, {**values, "lr": self.learning_rate(self.step - 1)})
                bar.show(self.step, f"loss {values['loss']:.3f}")
            if evaluator and (self.step % eval_steps == 0 or self.step == self.total_steps):
                self._evaluate(out, evaluator, info, bar)
            if self.step % 10 == 0 and self._agree(time.monotonic() - begin > time_limit):
                break
        bar.close()
        if self.rank == 0:
            self.save(out / "last.pt")
            export(self.average.network.state_dict(), out / "last.safetensors", info)
        return self.step >= self.total_steps

    def _agree(self, stop: bool) -> bool:
        """True on every process if it is on any: all must leave the loop at the same step."""
        if self.world == 1:
            return stop
        flag = torch.tensor(float(stop), device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def _evaluate(self, out, evaluator, info, bar) -> None:
        if self.rank == 0:
            metrics: Metrics = evaluator.metrics(self.average.network)
            self._log(out, metrics.as_dict())
            bar.note(f"epoch {self.step // self.steps_per_epoch}: "
                     f"AP {metrics.ap:.3f}, AP50 {metrics.ap50:.3f}")
            if metrics.ap50 > self.best_ap50:
                self.best_ap50 = metrics.ap50
                export(self.average.network.state_dict(), out / "best.safetensors", info)
            self.save(out / "last.pt")
        if self.world > 1:
            dist.barrier()

    def _log(self, out, values: dict) -> None:
        if self.rank == 0:
            row = {"step": self.step, "epoch": round(self.step / self.steps_per_epoch, 2),
                   "seconds": round(self.seconds, 1), **values}
            with open(out / "log.jsonl", "a") as f:
                f.write(json.dumps(row) + "\n")
