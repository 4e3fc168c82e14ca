#!/usr/bin/env bash
# Builds one wheel in a fresh environment and tests that same binary with several versions of PyTorch, each in a fresh
# environment of its own. Not part of ./check: every version is a download of 4 GB.
#   scripts/check_torch_versions.sh [TORCH:TORCHVISION ...]      e.g. scripts/check_torch_versions.sh 2.9.1:0.24.1 2.15.0:0.29.2
# PYTHON names the interpreter (default: python3), WHEEL a wheel that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$PWD/build/torch-versions
python=${PYTHON:-python3}
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(2.9.1:0.24.1 2.15.0:0.29.2)
mkdir -p "$work"

if [ -z "${WHEEL:-}" ]; then
  rm -rf "$work/dist"
  PYTHON=$python scripts/release_wheel.sh "$work/dist"
  WHEEL=$(echo "$work"/dist/sycl_dcn-*.whl)
fi
WHEEL=$(realpath "$WHEEL")
sha256sum "$WHEEL"

for version in "${versions[@]}"; do
  environment=$work/torch-${version%:*}
  rm -rf "$environment"
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet "torch==${version%:*}" "torchvision==${version#*:}" numpy pytest "$WHEEL"
  libraries=$(cd / && "$environment/bin/python" -c 'from sycl_dcn import _library; print(_library.folder())')
  (cd / && "$environment/bin/python" -m sycl_dcn.doctor)
  # The checkout's tests and Python files, the wheel's libraries.
  SYCL_DCN_LIBRARIES=$libraries "$environment/bin/python" -m pytest -q -p no:cacheprovider tests/python/test_operators.py \
    tests/python/test_modules.py
  rm -rf "$environment"  # 7 GB
  echo "PyTorch ${version%:*}: passed"
done
