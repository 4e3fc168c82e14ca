#!/usr/bin/env python3
"""Proves cuda2sycl on public CUDA extensions: migrate, build, run, compare numbers; prints the table of docs/migration.md.

    python3 scripts/migrate_corpora FOLDER...

A FOLDER is a checkout of a public extension, or a bare clone; their code is not part of this repository. The script knows (by the folder's
name) how to check the extensions listed in KNOWN: their own tests, and numbers against code that runs no kernel. Of any other it says whether it
migrates, builds and can be imported.

Needs build/bin/cuda2sycl, and a Python with the packages of requirements-dev.txt and setuptools (--python).
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKS = Path(__file__).resolve().parent


@dataclass
class Recipe:
    """What to know about one extension. `project` is migrated; in each folder of `builds` setup.py is run. `checks` are command lines, run in the
    migrated project; a name that ends in .py and exists beside this script is that file, anything else is the extension's own. The value says which
    regular expressions the output must have, and how often. `environment`: what the extension's setup.py asks for. `without`: folders left alone, which
    are refused."""
    project: str = "."
    builds: tuple = (".",)
    modules: tuple = ()
    checks: dict = field(default_factory=dict)
    path: tuple = ()
    environment: dict = field(default_factory=dict)
    without: tuple = ()


def equal(count):
    return [(r"equal: ", count)]


KNOWN = {
    "DCNv2_latest": Recipe(modules=("_ext",), checks={
        "check_dcnv2_own_test.py": [(r"Zero offset passed", 1), (r"check_gradient_dpooling: True", 1), (r"check_gradient_dconv:\s+True", 1)],
        "check_dcnv2.py": equal(7)}),
    "DCNv2": Recipe(modules=("_ext",), checks={
        "check_dcnv2_own_test.py": [(r"Zero offset passed", 1), (r"check_gradient_dpooling: True", 1), (r"check_gradient_dconv:\s+True", 1)],
        "check_dcnv2.py": equal(7)}),
    "extension-cpp": Recipe(modules=("extension_cpp",), checks={"-m pytest -q -s -p no:cacheprovider test/test_extension.py": [(r"\d+ passed", 1)]}),
    "Deformable-DETR": Recipe(project="models/ops", modules=("MultiScaleDeformableAttention",), checks={
        "check_deformable_detr.py": [(r"\* True check_forward", 2), (r"\* True check_gradient_numerical", 4), (r"equal: ", 3)]}),
    "pytorch_scatter": Recipe(modules=("torch_scatter",), environment={"FORCE_ONLY_CUDA": "1"}, checks={"check_scatter.py": equal(5)}),
    "pytorch_cluster": Recipe(modules=("torch_cluster",), environment={"FORCE_ONLY_CUDA": "1"}, checks={"check_cluster.py": equal(7)}),
    "Pytorch-Correlation-extension": Recipe(modules=("spatial_correlation_sampler_backend",), path=("Correlation_Module",), checks={
        "check_correlation.py": equal(4)}),
    "Pointnet2_PyTorch": Recipe(project="pointnet2_ops_lib", modules=("pointnet2_ops._ext",), checks={"check_pointnet2.py": equal(6)}),
    "PointRCNN": Recipe(builds=("lib/utils/iou3d", "lib/utils/roipool3d"), modules=("iou3d_cuda", "roipool3d_cuda"),
                        checks={"check_pointrcnn.py": equal(4)}),
    "flownet2-pytorch": Recipe(project="networks", builds=("correlation_package", "resample2d_package", "channelnorm_package"),
                               modules=("correlation_cuda", "resample2d_cuda", "channelnorm_cuda"), checks={"check_flownet2.py": equal(6)}),
    "DCNv4": Recipe(project="DCNv4_op", modules=("DCNv4.ext",), checks={"check_dcnv4.py": equal(6)}),
    "chamferdist": Recipe(modules=("chamferdist._C",), checks={"check_chamferdist.py": equal(6)}),
    "PyTorchEMD": Recipe(modules=("emd_cuda",), checks={"check_emd.py": equal(3)}),
    "inplace_abn": Recipe(modules=("inplace_abn._backend",), checks={"check_inplace_abn.py": equal(9)},
                          environment={"SETUPTOOLS_SCM_PRETEND_VERSION": "1"}),
    "simple-knn": Recipe(modules=("simple_knn._C",), checks={"check_simple_knn.py": equal(1)}),
    "torch-ngp": Recipe(builds=("raymarching", "freqencoder", "shencoder"), without=("ffmlp",),
                        modules=("_raymarching", "_freqencoder", "_shencoder"), checks={"check_torch_ngp.py": equal(13)}),
    "Rotated_IoU": Recipe(project="cuda_op", modules=("sort_vertices",), checks={"check_rotated_iou.py": equal(1)}),
    "fused-ssim": Recipe(modules=("fused_ssim_cuda",), checks={"check_fused_ssim.py": equal(2)}),
    "causal-conv1d": Recipe(modules=("causal_conv1d_cuda",), environment={"CAUSAL_CONV1D_FORCE_BUILD": "TRUE"},
                            checks={"check_causal_conv1d.py": equal(2)}),
    "RAFT": Recipe(project="alt_cuda_corr", modules=("alt_cuda_corr",), checks={"check_raft.py": equal(9)}),
    "OpenPCDet": Recipe(modules=tuple("pcdet.ops." + m for m in (
        "iou3d_nms.iou3d_nms_cuda", "roiaware_pool3d.roiaware_pool3d_cuda", "roipoint_pool3d.roipoint_pool3d_cuda", "bev_pool.bev_pool_ext",
        "ingroup_inds.ingroup_inds_cuda", "pointnet2.pointnet2_stack.pointnet2_stack_cuda", "pointnet2.pointnet2_batch.pointnet2_batch_cuda")),
        checks={"check_openpcdet.py": equal(16)}),
    "maskrcnn-benchmark": Recipe(modules=("maskrcnn_benchmark._C",), checks={"check_maskrcnn.py": equal(15)}),
}


def command(arguments, log, **kwargs):
    with open(log, "a", encoding="utf-8") as out:
        print("+", *arguments, file=out, flush=True)
        done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kwargs)
        print(done.stdout, f"exit status {done.returncode}", file=out, flush=True)
    return done


def checkout(folder, work):
    """The sources as a plain folder, and their commit."""
    bare = next((f for f in (folder, folder / "repo", folder / ".git") if (f / "HEAD").is_file() and (f / "objects").is_dir()), None)
    if bare is None:
        return folder, "unknown"
    commit = subprocess.run(["git", "--git-dir", bare, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    target = work / "original"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    archive = subprocess.run(["git", "--git-dir", bare, "archive", "HEAD"], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "x", "-C", target], input=archive.stdout, check=True)
    return target, commit


def prove(folder, options):
    name = (folder.parent.name if folder.name == "repo" else folder.name).split("+")[-1].removesuffix(".git")
    recipe = KNOWN.get(name, Recipe())
    work = options.work / name
    work.mkdir(parents=True, exist_ok=True)
    log = work / "log.txt"
    log.unlink(missing_ok=True)
    source, commit = checkout(folder, work)
    row = {"extension": name, "commit": commit[:12], "built": "no", "numbers": "-", "ran": 0}
    out = work / "migrated"
    shutil.rmtree(out, ignore_errors=True)
    start = time.monotonic()
    excluded = [word for folder in recipe.without for word in ("--in-root-exclude", folder)]
    done = command([options.tool, source / recipe.project, "--out", out, *excluded, *options.tool_option], log)
    row["seconds"] = f"{time.monotonic() - start:.1f}"
    row["exit"] = done.returncode
    report = out / "cuda2sycl-report.json"
    total = json.loads(report.read_text()) if report.is_file() else {"total": {}, "parser": []}
    row |= {k: total["total"].get(k, "?") for k in ("files", "changed", "kernels", "launches", "launches_migrated", "leftovers")}
    row["left"] = row["leftovers"]
    if not all((out / build / "setup.py").is_file() for build in recipe.builds):
        return row
    environment = dict(os.environ, **recipe.environment, MAX_JOBS=str(options.jobs), CSY_DEVICE="cpu", CSY_VERBOSE="1", PYTHONDONTWRITEBYTECODE="1")
    folders = [str(out / p) for p in (*recipe.path, *recipe.builds)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [*folders, str(out), os.environ.get("PYTHONPATH")]))
    if options.fast:
        environment |= {"CFLAGS": "-O0 -g0", "CXXFLAGS": "-O0 -g0"}
    for build in recipe.builds:
        if command([options.python, "setup.py", "build_ext", "--inplace"], log, cwd=out / build, env=environment).returncode != 0:
            return row
    row["built"] = "yes"
    failed, passed, compiled = [], 0, 0
    for module in recipe.modules:
        if command([options.python, "-c", f"import torch, {module}"], log, cwd=out, env=environment).returncode != 0:
            failed.append(f"import {module}")
    for check, patterns in recipe.checks.items():
        words = check.split()
        if (CHECKS / words[0]).is_file():
            words[0] = CHECKS / words[0]
        done = command([options.python, *words], log, cwd=out, env=environment)
        # Which kernels ran: the run-time compiler reports each batch.
        compiled += sum(int(n) for n in re.findall(r"^csy: .*: (\d+) kernels in ", done.stdout, re.MULTILINE))
        found = all(len(re.findall(p, done.stdout)) >= count for p, count in patterns)
        (passed := passed + 1) if found and done.returncode == 0 else failed.append(check)
    if passed and compiled == 0:
        failed.append("no kernel ran")
    row["ran"] = compiled
    row["numbers"] = "no: " + ", ".join(failed) if failed else "yes" if passed else "-"
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="migrate_corpora")
    parser.add_argument("folder", nargs="+", type=Path)
    parser.add_argument("--tool", type=Path, default=ROOT / "build/bin/cuda2sycl")
    parser.add_argument("--tool-option", action="append", default=[], help="passed on to cuda2sycl")
    parser.add_argument("--python", type=Path, default=ROOT / ".venv/bin/python", help="with PyTorch, torchvision, NumPy, pytest, setuptools")
    parser.add_argument("--work", type=Path, default=ROOT / "build/corpora", help="results and logs")
    parser.add_argument("--jobs", type=int, default=1, help="compilers at a time; each needs up to 2 GB")
    parser.add_argument("--fast", action="store_true", help="build unoptimised: the host code of an extension hardly matters")
    options = parser.parse_args()
    options.work, options.tool = options.work.resolve(), options.tool.resolve()
    options.python = options.python.absolute()
    print("| extension | commit | files (changed) | kernels | launches migrated | left | seconds | built | instances run | numbers equal |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    for folder in options.folder:
        row = prove(folder.resolve(), options)
        failed |= row["built"] != "yes" or str(row["numbers"]).startswith("no") or row["left"] != 0
        print("| {extension} | `{commit}` | {files} ({changed}) | {kernels} | {launches_migrated} of {launches} | {left} | {seconds} | {built} | {ran} | {numbers} |".format(**row), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
