#!/usr/bin/env python3
"""Runs clang-tidy on the project's own source files.

    scripts/lint.py [file.cpp ...]

Parsing SYCL's and OpenCV's headers costs far more than checking our lines, so the files of a folder are linted together,
in translation units that share one parse. Names in anonymous namespaces must therefore be unique within a
folder: two that collide are usually one thing written twice. A unit is skipped when its files, all project headers and the
rules are as they were when it last passed. Exit code 1 when anything is found.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PASSED = BUILD / "lint"
FILES_PER_UNIT = 20
# g++ accepts warning flags that clang does not know; -Werror would make each an error of its own.
TIDY = ["clang-tidy-19", "--quiet", f"--config-file={ROOT}/.clang-tidy", "--extra-arg=-Wno-unknown-warning-option",
        "--extra-arg=-Wno-error"]


def compiler_flags(entry):
    """The flags of one line of compile_commands.json, without compiler, input and output."""
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.startswith("-")):]
    flags, skip = [], False
    for word in words:
        if skip or word in ("-c", entry["file"]):
            skip = False
        elif word == "-o":
            skip = True
        else:
            flags.append(word)
    return tuple(flags)


def sources(entry):
    """The files of one line of compile_commands.json: itself, or what a unity source includes."""
    file = pathlib.Path(entry["file"])
    if "Unity" not in file.parts:
        return [file]
    included = (line.split('"')[1] for line in file.read_text().splitlines() if line.startswith("#include"))
    return [pathlib.Path(name) for name in included]


def units(only):
    """[(name, flags, files)]: the files of src/ by folder and flags, or each file of `only` by itself."""
    database = BUILD / "compile_commands.json"
    if not database.exists():
        sys.exit(f"no {database}: run ./check or configure first")
    groups = {}
    for entry in json.loads(database.read_text()):
        for file in sources(entry):
            if file.is_relative_to(ROOT / "src") and (not only or file in only):
                groups.setdefault((file.parent, compiler_flags(entry)), []).append(file)
    result = []
    for (folder, flags), files in groups.items():
        name = str(folder.relative_to(ROOT)).replace("/", "_")
        files.sort()
        count = len(files) if only else -(-len(files) // FILES_PER_UNIT)
        for part in range(count):
            result.append((f"{name}_{len(result)}", flags, files[part::count]))
    return sorted(result, key=lambda unit: -len(unit[2]))  # the long ones first


def lint(unit, rules):
    """None when the unit passes, else what clang-tidy said."""
    name, flags, files = unit
    key = hashlib.sha256(rules + repr(flags).encode() + b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = PASSED / key
    if stamp.exists():
        return None
    source = PASSED / f"{name}.cpp"
    source.write_text("".join(f'#include "{file}"\n' for file in files))
    done = subprocess.run([*TIDY, str(source), "--", *flags], capture_output=True, text=True)
    if done.returncode:
        return done.stdout + done.stderr
    stamp.touch()
    return None


def main(arguments):
    if any(argument in ("-h", "--help") for argument in arguments):
        print(__doc__)
        return 0
    PASSED.mkdir(parents=True, exist_ok=True)
    headers = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", "*.hpp", "*.def", ".clang-tidy"],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rules = hashlib.sha256(b"".join((ROOT / file).read_bytes() for file in sorted(headers) if (ROOT / file).exists()))
    work = units([pathlib.Path(argument).resolve() for argument in arguments])
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(lint, unit, rules.digest()) for unit in work]
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            said = job.result()
            failed += said is not None
            print(f"[{done}/{len(jobs)}]" + (f"\n{said}" if said else ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
