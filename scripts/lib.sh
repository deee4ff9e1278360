# Paths and functions shared by the scripts in this folder. To be sourced.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
TEST_VENV="$ROOT/.venv-tests"
RUNTIMES_VENV="$ROOT/.venv-runtimes"
TORCH_VERSION=2.13.0
BUILD="$ROOT/build/release"
export QUANTLAB_PYTHON="$VENV/bin/python"
export QUANTLAB_ASSETS="${QUANTLAB_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/quantlab/assets}"

# The models and datasets of configs/quick.yaml and of the tests.
ASSETS=(minilm imdb)

step() { printf '\n==> [%s] %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# One job per core, but at most one per 2 GiB of free memory, which a file that includes LibTorch needs.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1048576 / 2)}' /proc/meminfo)
  [ "$memory" -lt 1 ] && memory=1
  echo $((cores < memory ? cores : memory))
}

# configure PRESET [CMAKE-OPTION...]
configure() {
  local preset=$1
  shift
  cmake -S "$ROOT" --preset "$preset" "$@" >"$ROOT/build/configure-$preset.log" 2>&1 || {
    cat "$ROOT/build/configure-$preset.log" >&2
    die "configuring failed; the log above says why"
  }
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  mkdir -p "$ROOT/build"
  step "Building ($preset) with $(jobs) jobs"
  [ -f "$ROOT/build/$preset/build.ninja" ] || configure "$preset"
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build "$ROOT/build/$preset" --parallel "$(jobs)" "${targets[@]}" >&2
}

fetch_assets() {
  step "Fetching and checking ${ASSETS[*]} into $QUANTLAB_ASSETS"
  "$BUILD/bin/quant-worker" fetch --catalog "$ROOT/configs/catalog.yaml" "${ASSETS[@]}" >&2
}
