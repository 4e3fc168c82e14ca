#!/usr/bin/env bash
# Runs clang-tidy on the project's own source files, two or more at a time. A file is skipped when it, all project headers
# and the rules are as they were when it last passed.
#   scripts/lint.sh [file.cpp ...]
set -u
cd "$(dirname "$0")/.."
build=build
passed=$build/lint
mkdir -p "$passed"
[ -f $build/compile_commands.json ] || { echo "no $build/compile_commands.json: run ./check or configure first" >&2; exit 1; }
export common
common=$( (clang-tidy-19 --version; git ls-files -co --exclude-standard -- '*.hpp' .clang-tidy | sort | xargs cat) | sha256sum)

lint_one() {
  local file=$1 key
  key=$( (echo "$common"; cat "$file") | sha256sum | cut -c1-40)
  [ -e "$2/$key" ] && return 0
  # g++ accepts warning flags that clang does not know; -Werror would make each an error of its own.
  if clang-tidy-19 -p build --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-error "$file" 2>"$2/$key.log"; then
    rm -f "$2/$key.log"
    touch "$2/$key"
  else
    cat "$2/$key.log"
    return 1
  fi
}
export -f lint_one
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else git ls-files -co --exclude-standard -- 'src/*.cpp'; fi |
  xargs -P "$(nproc)" -I{} bash -c 'lint_one "$1" "$2"' _ {} "$passed"
