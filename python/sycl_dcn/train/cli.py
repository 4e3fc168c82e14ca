"""Command line of the training package."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

EXAMPLE = """examples:
  python -m sycl_dcn.train run --train data/train.json data/train --val data/val.json data/val \\
      --arch dla_34 --epochs 300 --out runs/first
  python -m sycl_dcn.train run ... --out runs/first --resume
  python -m sycl_dcn.train eval runs/first/best.safetensors --data data/val.json data/val --flip-test
  python -m sycl_dcn.train voc2coco BCCD --split train --labels RBC,WBC,Platelets --out train.json
  python -m sycl_dcn.train curve runs/first/log.jsonl --out curve.png
several GPUs:
  torchrun --nproc-per-node 4 -m sycl_dcn.train run ...
"""


def numbers(kind):
    """Parser of a comma-separated list."""
    return lambda text: tuple(kind(part) for part in text.split(","))


def parse(arguments) -> argparse.Namespace:
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(
        prog="python -m sycl_dcn.train", description="Trains CenterNet (ctdet) from COCO-format data.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands)

    p = commands.add_parser("eval", help="COCO AP of an exported model on a split")
    p.add_argument("model", help="safetensors file written by this package")
    p.add_argument("--data", nargs=2, required=True, metavar=("JSON", "DIR"))
    p.add_argument("--resolution", choices=("fix", "keep"), help="default: the model's")
    p.add_argument("--input-size", type=numbers(int), metavar="H,W", help="default: the model's")
    p.add_argument("--flip-test", action="store_true", help="average with the mirrored image")
    p.add_argument("--json", help="write the metrics here, too")
    p.add_argument("--results", help="write the detections here as a COCO results file")
    p.add_argument("--device", default="auto")
    _add_operator(p)

    p = commands.add_parser("relabel", help="change a model's resolution, licence or attribution")
    p.add_argument("model")
    p.add_argument("--resolution", choices=("fix", "keep"))
    p.add_argument("--input-size", type=numbers(int), metavar="H,W")
    p.add_argument("--license")
    p.add_argument("--attribution")
    p.add_argument("--out", required=True)

    p = commands.add_parser("voc2coco", help="PASCAL VOC annotations to COCO JSON")
    p.add_argument("root", help="folder with ImageSets, Annotations, JPEGImages")
    p.add_argument("--split", required=True)
    p.add_argument("--labels", required=True, type=numbers(str))
    p.add_argument("--out", required=True)

    p = commands.add_parser("curve", help="picture of a training log, or of several in sequence")
    p.add_argument("log", nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--title", default="")
    return parser.parse_args(arguments)


def _add_operator(parser) -> None:
    parser.add_argument("--operator", default="auto",
                        help="deformable convolution: sycl_dcn, torchvision, triton (CUDA), or auto: "
                             "the first that works, sycl_dcn before triton before torchvision")


def _add_run(commands) -> None:
    p = commands.add_parser("run", help="train a model", epilog=EXAMPLE,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    g = p.add_argument_group("data and output")
    g.add_argument("--train", nargs=2, required=True, metavar=("JSON", "DIR"))
    g.add_argument("--val", nargs=2, metavar=("JSON", "DIR"), help="to choose the best weights by")
    g.add_argument("--out", required=True, help="folder for the log, checkpoints and models")
    g.add_argument("--resume", action="store_true", help="continue from OUT/last.pt if it is there")
    g.add_argument("--init", help="start from the weights of this safetensors file")
    g.add_argument("--device", default="auto", help="auto, cpu, xpu, cuda, cuda:1, ... (default: auto)")
    _add_operator(g)
    g.add_argument("--time-limit", type=float, default=math.inf, help="stop (resumable) after seconds")
    g.add_argument("--eval-epochs", type=int, default=10, help="epochs between evaluations (default: 10)")
    g.add_argument("--license", default="", help="of the data, for the model's metadata")
    g.add_argument("--attribution", default="", help="of the data, for the model's metadata")
    g = p.add_argument_group("network")
    g.add_argument("--arch", default="dla_34", help="dla_34, resdcn_18, resdcn_34 (default: dla_34)")
    g.add_argument("--widths", type=numbers(int), help="channels: 6 numbers for dla_34, 7 for resdcn")
    g.add_argument("--head-conv", type=int, help="channels inside the heads (default: the original's)")
    g.add_argument("--resolution", choices=("fix", "keep"), default="fix", help="at test time")
    g.add_argument("--input-size", type=numbers(int), default=(512, 512), metavar="H,W",
                   help="at test time (default: 512,512)")
    g = p.add_argument_group("optimisation")
    g.add_argument("--epochs", type=int, default=300)
    g.add_argument("--batch", type=int, default=16, help="for each GPU")
    g.add_argument("--learning-rate", type=float, default=1e-3)
    g.add_argument("--weight-decay", type=float, default=0.05)
    g.add_argument("--warmup", type=int, default=500, help="iterations")
    g.add_argument("--ema", type=float, default=0.9995, help="decay of the moving average")
    g.add_argument("--wh-weight", type=float, default=0.1)
    g.add_argument("--iou-weight", type=float, default=0.0, help="weight of a GIoU loss beside L1")
    g.add_argument("--spread", action="store_true", help="cells beside the centre learn size and offset")
    g.add_argument("--calm", type=float, default=0.15, help="last part without mosaic and blending")
    g.add_argument("--no-bf16", action="store_true", help="float32 on CUDA, too")
    g.add_argument("--no-graph", action="store_true", help="no CUDA graph: slower, easier to debug")
    g.add_argument("--seed", type=int, default=1)
    g = p.add_argument_group("augmentation")
    g.add_argument("--size", type=int, default=512, help="side of the training crops, multiple of 32")
    g.add_argument("--scale", type=numbers(float), default=(0.6, 1.6), metavar="LOW,HIGH")
    g.add_argument("--rotate", type=float, default=6.0, help="degrees")
    g.add_argument("--flip-vertical", type=float, default=0.0, help="probability")
    g.add_argument("--mosaic", type=float, default=0.5, help="probability")
    g.add_argument("--mixup", type=float, default=0.1, help="probability")
    g.add_argument("--cutout", type=float, default=0.3, help="probability")
    g.add_argument("--colour", type=float, default=0.4, help="change of brightness, contrast, saturation")
    g.add_argument("--noise", type=float, default=0.02, help="largest standard deviation, of 1")
    g.add_argument("--mosaic-scale", type=float, default=0.75, help="further scale inside mosaics")
    g.add_argument("--cast", type=float, default=0.1, help="change of each colour channel's gain")


def pick_device(name: str):
    """A torch device; "auto" prefers CUDA, then XPU. Under torchrun each process takes its own GPU."""
    import torch
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "xpu" if torch.xpu.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("--device cuda: PyTorch sees no CUDA GPU here; use --device cpu")
        torch.cuda.set_device(device.index or 0)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    return device


def run(args) -> int:
    """Trains."""
    import torch

    from .augment import AugmentConfig
    from .data import load_coco
    from .deform import implementation, set_implementation
    from .detect import Evaluator
    from .export import ModelInfo, load
    from .trainer import TrainConfig, Trainer

    if args.size % 32 or any(s % 32 for s in args.input_size):
        raise ValueError("--size and --input-size must be multiples of 32")
    device = pick_device(args.device)
    set_implementation(args.operator, device.type)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    train = load_coco(*args.train)
    val = load_coco(*args.val) if args.val else None
    if val and val.labels != train.labels:
        raise ValueError(f"--val: labels {val.labels} differ from those of --train {train.labels}")
    config = TrainConfig(args.arch, args.widths, args.head_conv, args.epochs, args.batch,
                         args.learning_rate, args.weight_decay, args.warmup, ema=args.ema,
                         wh_weight=args.wh_weight, iou_weight=args.iou_weight, spread=args.spread,
                         calm=args.calm, bf16=not args.no_bf16, seed=args.seed)
    augment = AugmentConfig(size=args.size, scale=args.scale, rotate=args.rotate,
                            flip_vertical=args.flip_vertical, mosaic=args.mosaic, mixup=args.mixup,
                            cutout=args.cutout, cast=args.cast, colour=args.colour, noise=args.noise,
                            mosaic_scale=args.mosaic_scale)
    # A CUDA graph records what one stream does; work that SYCL submits is not promised to be part of it.
    graph = not args.no_graph and implementation(device.type) != "sycl_dcn"
    trainer = Trainer(config, augment, train, device, rank, world, graph=graph)
    if args.init:
        trainer.initialise(load(args.init)[0])
    if args.resume and (out / "last.pt").is_file():
        trainer.load_state_dict(torch.load(out / "last.pt", map_location=device, weights_only=True))
    elif rank == 0 and (out / "log.jsonl").exists():
        (out / "log.jsonl").unlink()
    info = ModelInfo(args.arch, train.labels, args.input_size, args.resolution,
                     license=args.license, attribution=args.attribution)
    evaluator = Evaluator(val, device, args.resolution, args.input_size) if val and rank == 0 else None
    finished = trainer.fit(out, evaluator, info, args.eval_epochs, args.time_limit)
    if rank == 0:
        done = "finished" if finished else "stopped at the time limit; continue with --resume"
        best = f", best AP50 {trainer.best_ap50:.3f} in {out / 'best.safetensors'}" if val else ""
        print(f"{done}: step {trainer.step} of {trainer.total_steps}{best}")
    if world > 1:
        torch.distributed.destroy_process_group()
    return 0


def evaluate(args) -> int:
    """Prints AP, AP50, AP75 and the classes' AP50."""
    from .data import load_coco
    from .detect import Evaluator, coco_results
    from .average_precision import evaluate as average_precision
    from .deform import set_implementation
    from .export import load, network_of

    device = pick_device(args.device)
    set_implementation(args.operator, device.type)
    state, info = load(args.model)
    split = load_coco(*args.data)
    if split.labels != info.labels:
        raise ValueError(f"{args.data[0]}: labels {split.labels}, the model's are {info.labels}")
    evaluator = Evaluator(split, device, args.resolution or info.resolution,
                          args.input_size or info.input_size)
    network = network_of(state, info).to(device).eval()
    detections = evaluator.detections(network, args.flip_test)
    metrics = average_precision(split.labels, list(zip(split.boxes, split.classes)), detections)
    print(f"AP {metrics.ap:.4f}  AP50 {metrics.ap50:.4f}  AP75 {metrics.ap75:.4f}")
    for label, (ap, ap50) in metrics.by_class.items():
        print(f"  {label:12s} AP {ap:.3f}  AP50 {ap50:.3f}")
    if args.json:
        Path(args.json).write_text(json.dumps(metrics.as_dict()) + "\n")
    if args.results:
        categories = json.loads(Path(args.data[0]).read_text())["categories"]
        ids = sorted(c["id"] for c in categories)
        Path(args.results).write_text(json.dumps(coco_results(split, ids, detections)) + "\n")
    return 0


def relabel(args) -> int:
    """Writes a copy of a model with other metadata."""
    from dataclasses import replace

    from .export import export, load
    state, info = load(args.model)
    changes = {k: getattr(args, k) for k in ("resolution", "input_size", "license", "attribution")
               if getattr(args, k) is not None}
    export(state, args.out, replace(info, **changes))
    return 0


def main(arguments=None) -> int:
    """Entry point; errors of the user end in one line."""
    args = parse(arguments)
    try:
        if args.command == "run":
            return run(args)
        if args.command == "eval":
            return evaluate(args)
        if args.command == "relabel":
            return relabel(args)
        if args.command == "voc2coco":
            from .voc import convert_file
            print(f"{convert_file(args.root, args.split, args.labels, args.out)} images")
            return 0
        from .curve import draw
        draw(args.log, args.out, args.title)
        return 0
    except KeyboardInterrupt:
        print("interrupted; continue with --resume", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
