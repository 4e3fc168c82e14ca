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


def numbers(kind, count=None):
    """Parser of a comma-separated list, of `count` values."""
    def parse_list(text):
        try:
            values = tuple(kind(part) for part in text.split(","))
        except ValueError:
            values = ()
        if not values or (count and len(values) != count):
            what = {int: "whole numbers", float: "numbers", str: "words"}[kind]
            raise argparse.ArgumentTypeError(f"'{text}', expected {f'{count} ' if count else ''}{what} with commas between")
        return values
    return parse_list


def positive(text):
    """Parser of a whole number above zero."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number, at least 1")
    return int(text)


def share(text):
    """Parser of a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}', expected a number from 0 to 1")
    return value


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that names each option's default."""

    def _get_help_string(self, action):
        text = action.help or ""
        nothing = any(action.default is value for value in (None, False, math.inf, argparse.SUPPRESS))
        if nothing or action.default == "" or "default" in text:
            return text
        default = ",".join(map(str, action.default)) if isinstance(action.default, tuple) else action.default
        return f"{text} (default: {default})".strip().replace("%", "%%")


def parse(arguments) -> argparse.Namespace:
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(
        prog="python -m sycl_dcn.train", description="Trains CenterNet's detection of objects (the original's task ctdet) from "
                                                        "COCO-format data.",
        epilog=EXAMPLE, formatter_class=Help)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands)

    p = commands.add_parser("eval", help="COCO AP of an exported model on a split", formatter_class=Help)
    p.add_argument("model", help="safetensors file written by this package")
    p.add_argument("--data", nargs=2, required=True, metavar=("JSON", "DIR"),
                   help="COCO annotations, and the folder of the pictures they name")
    p.add_argument("--resolution", choices=("fix", "keep"), help="default: the model's")
    p.add_argument("--input-size", type=numbers(int, 2), metavar="H,W", help="default: the model's")
    p.add_argument("--flip-test", action="store_true", help="average with the mirrored image")
    p.add_argument("--json", help="write the metrics here, too")
    p.add_argument("--results", help="write the detections here as a COCO results file")
    p.add_argument("--device", default="auto", help="auto, cpu, xpu, cuda, cuda:1, ...")
    _add_operator(p)

    p = commands.add_parser("relabel", help="change a model's resolution, licence or attribution")
    p.add_argument("model")
    p.add_argument("--resolution", choices=("fix", "keep"))
    p.add_argument("--input-size", type=numbers(int, 2), metavar="H,W")
    p.add_argument("--license")
    p.add_argument("--attribution")
    p.add_argument("--out", required=True)

    p = commands.add_parser("voc2coco", help="PASCAL VOC annotations to COCO JSON")
    p.add_argument("root", help="folder with ImageSets, Annotations, JPEGImages")
    p.add_argument("--split", required=True)
    p.add_argument("--labels", required=True, type=numbers(str), help="the classes, with commas between")
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
    p = commands.add_parser("run", help="train a model", epilog=EXAMPLE, formatter_class=Help,
                            usage="%(prog)s --train JSON DIR --out DIR [options]")
    g = p.add_argument_group("data and output")
    g.add_argument("--train", nargs=2, required=True, metavar=("JSON", "DIR"),
                   help="COCO annotations, and the folder of the pictures they name")
    g.add_argument("--val", nargs=2, metavar=("JSON", "DIR"), help="the same, to choose the best weights by")
    g.add_argument("--out", required=True, metavar="DIR", help="folder for the log, checkpoints and models")
    g.add_argument("--resume", action="store_true", help="continue from OUT/last.pt if it is there")
    g.add_argument("--init", metavar="FILE",
                   help="start from the weights of this model (safetensors), with its architecture, widths and classes")
    g.add_argument("--device", default="auto", help="auto, cpu, xpu, cuda, cuda:1, ...")
    _add_operator(g)
    g.add_argument("--time-limit", type=float, default=math.inf, help="stop (resumable) after seconds")
    g.add_argument("--eval-epochs", type=positive, default=10, help="epochs between evaluations")
    g.add_argument("--license", default="", help="of the data, for the model's metadata")
    g.add_argument("--attribution", default="", help="of the data, for the model's metadata")
    g = p.add_argument_group("network")
    g.add_argument("--arch", help="dla_34, resdcn_18, resdcn_34 (default: --init's, else dla_34)")
    g.add_argument("--widths", type=numbers(int), metavar="N,N,...",
                   help="channels: 6 numbers for dla_34, 7 for resdcn (default: --init's, else the original's)")
    g.add_argument("--head-conv", type=positive, help="channels inside the heads (default: --init's, else the original's)")
    g.add_argument("--resolution", choices=("fix", "keep"), default="fix", help="at test time")
    g.add_argument("--input-size", type=numbers(int, 2), default=(512, 512), metavar="H,W",
                   help="at test time")
    g = p.add_argument_group("optimisation")
    g.add_argument("--epochs", type=positive, default=300, help="passes over --train")
    g.add_argument("--batch", type=positive, default=16, help="pictures at a time, for each GPU")
    g.add_argument("--learning-rate", type=float, default=1e-3, help="the highest, after the warm-up")
    g.add_argument("--weight-decay", type=float, default=0.05, help="of AdamW")
    g.add_argument("--warmup", type=int, default=500, help="iterations at a rising learning rate")
    g.add_argument("--ema", type=float, default=0.9995, help="decay of the moving average")
    g.add_argument("--wh-weight", type=float, default=0.1, help="weight of the loss of width and height")
    g.add_argument("--iou-weight", type=float, default=0.0, help="weight of a GIoU loss beside L1")
    g.add_argument("--spread", action="store_true", help="cells beside the centre learn size and offset")
    g.add_argument("--calm", type=share, default=0.15, help="last part without mosaic and blending")
    g.add_argument("--no-bf16", action="store_true", help="float32 on CUDA, too")
    g.add_argument("--no-graph", action="store_true", help="no CUDA graph: slower, easier to debug")
    g.add_argument("--seed", type=int, default=1, help="of weights, order and augmentation")
    g = p.add_argument_group("augmentation")
    g.add_argument("--size", type=positive, default=512, help="side of the training crops, multiple of 32")
    g.add_argument("--scale", type=numbers(float, 2), default=(0.6, 1.6), metavar="LOW,HIGH", help="range of random sizes")
    g.add_argument("--rotate", type=float, default=6.0, help="degrees")
    g.add_argument("--flip-vertical", type=share, default=0.0, help="probability")
    g.add_argument("--mosaic", type=share, default=0.5, help="probability")
    g.add_argument("--mixup", type=share, default=0.1, help="probability")
    g.add_argument("--cutout", type=share, default=0.3, help="probability")
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
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device {name}: expected auto, cpu, cuda, cuda:1, xpu, ...") from None
    if device.type == "xpu" and not torch.xpu.is_available():
        raise ValueError("--device xpu: PyTorch sees no XPU here; it needs PyTorch's build for XPU and Intel's "
                         "GPU driver; use --device cpu")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("--device cuda: PyTorch sees no CUDA GPU here; use --device cpu")
        torch.cuda.set_device(device.index or 0)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    return device


def _initial(args, labels):
    """The weights of --init. What was not said of the network is as in that model."""
    from .export import load, widths_of

    state, info = load(args.init)
    network = {"arch": info.arch, "widths": widths_of(state, info.arch), "head_conv": state["hm.0.weight"].shape[0]}
    for name, value in network.items():
        if getattr(args, name) not in (None, value):
            option, text = f"--{name.replace('_', '-')}", ",".join(map(str, value)) if name == "widths" else value
            raise ValueError(f"{option}: not that of --init {args.init}, which has {text}; leave {option} away")
        setattr(args, name, value)
    if len(info.labels) != len(labels):
        raise ValueError(f"--init {args.init}: {len(info.labels)} classes ({', '.join(info.labels)}), those of --train are "
                         f"{len(labels)} ({', '.join(labels)})")
    return state


def run(args) -> int:
    """Trains."""
    import torch

    from .augment import AugmentConfig
    from .data import load_coco
    from .deform import implementation, set_implementation
    from .detect import Evaluator
    from .export import ModelInfo
    from .trainer import TrainConfig, Trainer

    if args.size % 32 or any(s % 32 for s in args.input_size):
        raise ValueError(f"--size {args.size}, --input-size {','.join(map(str, args.input_size))}: expected multiples of 32")
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
    initial = _initial(args, train.labels) if args.init else None
    config = TrainConfig(args.arch or "dla_34", args.widths, args.head_conv, args.epochs, args.batch,
                         args.learning_rate, args.weight_decay, args.warmup, ema=args.ema,
                         wh_weight=args.wh_weight, iou_weight=args.iou_weight, spread=args.spread,
                         calm=args.calm, bf16=not args.no_bf16, seed=args.seed)
    augment = AugmentConfig(size=args.size, scale=args.scale, rotate=args.rotate,
                            flip_vertical=args.flip_vertical, mosaic=args.mosaic, mixup=args.mixup,
                            cutout=args.cutout, cast=args.cast, colour=args.colour, noise=args.noise,
                            mosaic_scale=args.mosaic_scale)
    # A CUDA graph records what one stream does. torchvision's kernels go to the default stream, whatever PyTorch's current one
    # is (pytorch/vision#9513): none would be part of it, and the losses become NaN.
    graph = not args.no_graph and implementation(device.type) != "torchvision"
    trainer = Trainer(config, augment, train, device, rank, world, graph=graph)
    if initial:
        trainer.initialise(initial)
    if args.resume and (out / "last.pt").is_file():
        trainer.load_state_dict(torch.load(out / "last.pt", map_location=device, weights_only=True))
    elif rank == 0 and (out / "log.jsonl").exists():
        (out / "log.jsonl").unlink()
    info = ModelInfo(config.arch, train.labels, args.input_size, args.resolution,
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
    except ImportError as e:
        print(f"error: {e}. What training needs: pip install '.[train]' in the checkout", file=sys.stderr)
        return 1
    except (ValueError, RuntimeError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
