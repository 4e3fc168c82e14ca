#!/usr/bin/env bash
# Formats the project's C++ files, or with --check reports the ones that are not formatted.
set -eu
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
git ls-files -co --exclude-standard -- '*.cpp' '*.hpp' | xargs clang-format-19 "${mode[@]}"
