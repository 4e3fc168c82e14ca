# Sourced by ./demo and ./check: steps with progress, system packages, wheels, build.
# Everything is installed into the checkout (.venv, build/) but the system packages.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD
build=$root/build
logs=$build/logs
mkdir -p "$logs" || { echo "cannot write into $root: run from a folder that you own" >&2; exit 1; }

base_packages=(g++ cmake ninja-build pkg-config python3 python3-venv ca-certificates
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libopencv-videoio-dev
  libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libzip-dev libgtest-dev libbenchmark-dev)
check_packages=(clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev libclang-19-dev llvm-19-dev python3-dev git)

# step "What is done" command...: runs the command with its output in a log, shows the time that passes, and on failure
# the end of the log. Nothing is printed for a step that was already done (functions below return before calling it).
step() {
  local title=$1 start=$SECONDS log pid
  shift
  log=$logs/$(tr -cs 'a-zA-Z0-9' '-' <<<"$title" | tr 'A-Z' 'a-z' | sed 's/-*$//').log
  if [ -t 1 ]; then
    "$@" >"$log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r  %-58s %4d s  %s\033[K' "$title" $((SECONDS - start)) "$(progress_of "$log")"
      sleep 0.5
    done
    trap - INT TERM
    printf '\r\033[K'
    wait "$pid"
  else
    printf '  %s ...\n' "$title"
    "$@" >"$log" 2>&1
  fi
  local status=$?
  if [ $status -ne 0 ]; then
    printf '  %-58s FAILED (exit %d). The end of %s:\n\n' "$title" $status "${log#"$root"/}" >&2
    tail -n 25 "$log" >&2
    exit 1
  fi
  printf '  %-58s %4d s\n' "$title" $((SECONDS - start))
}

# The last "[12/80]" of a build log, so that a long compilation shows where it is.
progress_of() { tail -c 4000 "$1" 2>/dev/null | grep -aoE '^\[[0-9]+/[0-9]+\]' | tail -n 1; }

need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "This system has no apt-get. Install what corresponds to these Debian packages, then run again:" >&2
    echo "  ${missing[*]}" >&2
    exit 1
  fi
  if [ "$(id -u)" -eq 0 ]; then
    step "Installing ${#missing[@]} system packages" as_root "$install"
  elif sudo -n true 2>/dev/null; then
    step "Installing ${#missing[@]} system packages" sudo bash -c "$(declare -f as_root); as_root '$install'"
  else
    echo "System packages are missing and may not be installed from here. Run this line, then run again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
  fi
}
as_root() { export DEBIAN_FRONTEND=noninteractive; apt-get update && $1; }

wheels_are_there() {  # requirements-file
  local stamp=$root/.venv/.${1%.txt}.stamp
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat requirements*.txt | sha256sum)" ]
}

# need_space requirements-file build-megabytes: stops when the disk cannot take the wheels that are not there yet and the
# build's own files. Otherwise pip fails after minutes, with a long log. The numbers are measured: what is left of the pinned
# wheels, and the most there was while pip worked, when what it fetched lies beside what it unpacked.
need_space() {
  local installed peak needed present=0 free folder=$root
  wheels_are_there "$1" && return
  case $1 in
    requirements.txt) installed=2000 peak=2600 ;;
    requirements-dev.txt) installed=9200 peak=12600 ;;
  esac
  [ -d .venv ] && folder=$root/.venv && present=$(du -sm .venv/ | cut -f1)
  needed=$(((installed - present) * peak / installed))
  [ "$needed" -lt $((peak / 10)) ] && needed=$((peak / 10))  # another version of something that is there
  [ -d "$build/bin" ] || needed=$((needed + $2))
  free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$needed" ] && return
  printf 'Too little disk space for the wheels of %s: %d.%d GB needed, %d.%d GB free in %s.\n' "$1" \
    $((needed / 1000)) $((needed % 1000 / 100)) $((free / 1000)) $((free % 1000 / 100)) "$folder" >&2
  echo "Nothing was installed. Free some space there, or move the checkout to a larger disk, then run again." >&2
  exit 1
}

# need_wheels requirements-file: the pinned Python packages, into .venv, once per content of the files.
need_wheels() {
  wheels_are_there "$1" && return
  [ -x .venv/bin/python ] || step "Creating .venv" /usr/bin/python3 -m venv .venv
  step "Installing the wheels of $1" install_wheels "$1"
  cat requirements*.txt | sha256sum >"$root/.venv/.${1%.txt}.stamp"
}
# Everything of pip stays in .venv, where need_space looked: /tmp may be small. A cache would be a second copy for good.
install_wheels() {
  local status
  rm -rf .venv/tmp
  mkdir -p .venv/tmp
  TMPDIR=$root/.venv/tmp .venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir -r "$1"
  status=$?
  rm -rf .venv/tmp
  return $status
}

# build_targets target...: configures when that was never done, then builds. Several sources at a time: most of the time would
# go into the headers of SYCL, clang and OpenCV, once for each.
build_targets() {
  [ -f "$build/build.ninja" ] ||
    step "Configuring the build" cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON \
      -DCMAKE_UNITY_BUILD_BATCH_SIZE=6
  local title="Building"
  if ! ninja -C "$build" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
    step "$title" cmake --build "$build" --target "$@"
  fi
}
