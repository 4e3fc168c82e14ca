#!/usr/bin/env python3
"""Fails when a document names a path of this repository that does not exist, or a relative link leads nowhere."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = "|".join(p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "build", "out")))
NAMED_PATH = re.compile(r"`((?:%s)(?:/[\w.\-]+)*/?)`" % FOLDERS)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
BUILT = ("build/", "out/")


def main():
    bad = []
    documents = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md", ":!tests/data"], cwd=ROOT, capture_output=True,
                               text=True, check=True).stdout.split()
    for name in documents:
        document = ROOT / name
        text = document.read_text(encoding="utf-8")
        wanted = [(path, ROOT / path) for path in NAMED_PATH.findall(text)]
        wanted += [(path, document.parent / path) for path in LINK.findall(text)]
        bad += [f"{name}: {path} does not exist" for path, place in wanted
                if not place.exists() and not path.startswith(BUILT)]
    print("\n".join(bad) or f"{len(documents)} documents: every path exists")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
