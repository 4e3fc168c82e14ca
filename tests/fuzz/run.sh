#!/usr/bin/env bash
# Fuzzes the readers of files we did not write, with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tests/fuzz/run.sh [SECONDS]     seconds of new inputs for each target, default 30; 0 replays the corpus only
#
# The corpus in tests/fuzz/corpus/TARGET and the fixtures of tests/data/checkpoints are always replayed first. New inputs
# stay in the build folder (FUZZ_BUILD, default build/fuzz); one that fails is kept there as TARGET/crash-*, oom-* or
# timeout-*: fix the reader, then copy it to the corpus.
set -euo pipefail

seconds=${1:-30}
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${FUZZ_BUILD:-$root/build/fuzz}
compiler=${FUZZ_CXX:-clang++-19}
here=$root/tests/fuzz
targets=(pth pickle safetensors)

if ! command -v "$compiler" > /dev/null; then
  echo "run.sh: $compiler not found. On Debian: apt-get install clang-19 libclang-rt-19-dev" >&2
  exit 1
fi
launcher=$(command -v ccache || true)
flags=(-std=c++20 -g1 -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link
       -fno-sanitize-recover=all -I"$root/include" -I"$root/src" -I"$here")
mkdir -p "$build"

# compile SOURCE OBJECT, unless the object is newer than every source and header
compile() {
  if [ -e "$2" ] && [ -z "$(find "$root/include/dcn" "$root/src/checkpoint" "$here" -name '*.?pp' -newer "$2" -print -quit)" ]; then
    return
  fi
  $launcher "$compiler" "${flags[@]}" -c "$1" -o "$2"
}

# Two at a time, the slowest to compile first.
sources=("$root"/src/checkpoint/safetensors*.cpp)
for source in "$root"/src/checkpoint/*.cpp "$root"/src/core/*.cpp "$here"/fuzz_*.cpp; do
  case $source in */safetensors*) ;; *) sources+=("$source") ;; esac
done
objects=()
jobs=()
for source in "${sources[@]}"; do
  object=$build/$(basename "$source" .cpp).o
  case $source in */fuzz_*) ;; *) objects+=("$object") ;; esac
  compile "$source" "$object" &
  jobs+=($!)
  if [ ${#jobs[@]} -ge 2 ]; then
    wait "${jobs[0]}"
    jobs=("${jobs[@]:1}")
  fi
done
for job in "${jobs[@]}"; do wait "$job"; done
for target in "${targets[@]}"; do
  "$compiler" "${flags[@]}" -fsanitize=fuzzer "$build/fuzz_$target.o" "${objects[@]}" -lzip -lfmt -o "$build/fuzz_$target"
done

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0:quarantine_size_mb=16
export UBSAN_OPTIONS=print_stacktrace=1
# fuzz_safetensors writes files, each flushed to its disk: in memory that costs nothing.
if [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
# One input may take neither more than this time (sanitizers cost several times a plain build's) nor this memory.
limits=(-timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=16384)
for target in "${targets[@]}"; do
  work=$build/$target
  mkdir -p "$work/new"
  corpus=("$here/corpus/$target")
  case $target in
    pth) corpus+=("$root/tests/data/checkpoints" "$root/tests/data/checkpoints/bad") ;;
    safetensors) corpus+=("$root/tests/data/checkpoints/bad") ;;
  esac
  log=$work/log.txt
  if ! (cd "$work" && "$build/fuzz_$target" "${limits[@]}" -runs=0 "${corpus[@]}") > "$log" 2>&1; then
    tail -40 "$log"
    echo "run.sh: fuzz_$target fails on a kept input" >&2
    exit 1
  fi
  if [ "$seconds" -gt 0 ]; then
    if ! (cd "$work" && nice "$build/fuzz_$target" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
          new "${corpus[@]}") > "$log" 2>&1; then
      tail -60 "$log"
      echo "run.sh: fuzz_$target found a failing input, kept in $work" >&2
      exit 1
    fi
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "fuzz_$target: corpus replayed, ${runs:-0} new inputs in $seconds s, no failure"
done
