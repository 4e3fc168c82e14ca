#!/usr/bin/env python3
"""Migrates one of the CUDA extensions beside this file, builds the result with g++, and runs its tests on the SYCL CPU device.

    run.py --tool build/bin/cuda2sycl --work FOLDER image_ops

Fails when the tool leaves anything to a person, when the build fails, or when numbers differ from the extension's CPU references.
"""
import argparse
import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What each extension is tested with, and how many of its kernels must be compiled for the device on the way.
EXTENSIONS = {"image_ops": ("image_ops.py", 25), "segment_ops": ("test_segment.py", 10)}


def run(*command, **kwargs):
    print("+", *map(str, command), flush=True)
    result = subprocess.run([str(c) for c in command], text=True, capture_output=True, **kwargs)
    print(result.stdout + result.stderr, flush=True)
    if result.returncode != 0:
        sys.exit(f"exit status {result.returncode} of: {' '.join(map(str, command))}")
    return result.stdout + result.stderr


def update(new, old):
    """Makes `old` what `new` is, leaving files that are equal, and what was built from them, alone."""
    for path in new.rglob("*"):
        target = old / path.relative_to(new)
        if path.is_file() and not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True, type=Path, help="cuda2sycl")
    parser.add_argument("--work", required=True, type=Path, help="folder for the result; kept, so that a second run builds less")
    parser.add_argument("name", choices=EXTENSIONS)
    options = parser.parse_args()
    script, least_kernels = EXTENSIONS[options.name]
    tree, fresh = options.work / "tree", options.work / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)

    run(options.tool, HERE / options.name, "--out", fresh)
    left = [p for p in fresh.rglob("*") if p.suffix in (".cu", ".cuh")]
    assert not left, f"CUDA files are left: {left}"
    update(fresh, tree)

    # Unoptimised: most of the time goes into PyTorch's headers, and kernels are compiled elsewhere.
    environment = dict(os.environ, CFLAGS="-O0 -g0", CXXFLAGS="-O0 -g0", CSY_VERBOSE="1", CSY_DEVICE="cpu")
    run(sys.executable, "setup.py", "build_ext", "--inplace", cwd=tree, env=environment)
    log = run(sys.executable, script, cwd=tree, env=environment)
    kernels = sum(int(line.split(": ")[2].split()[0]) for line in log.splitlines() if line.startswith("csy: "))
    assert kernels >= least_kernels, f"{kernels} kernels were compiled for the device, {least_kernels} expected"
    print(f"{options.name}: migrated, built, {kernels} kernels, numbers equal")


if __name__ == "__main__":
    main()
