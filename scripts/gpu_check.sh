#!/usr/bin/env bash
# Builds quant-runner against this machine's PyTorch and checks it on the GPU: the engine's tests, logits and
# training compared with the CPU, memory, a cancel, and the benchmark. Prints one table and writes one JSON file.
#
#   scripts/gpu_check.sh [--device cuda|cpu] [--output FOLDER] [--no-benchmark] [CHECK-OPTION...]
#
# Needs a CUDA build of PyTorch, nvcc, CMake and ninja, but no network: libraries come from the folder prefix
# beside the sources if scripts/gpu_bundle.sh made the archive, or else from the system. --device cpu needs no
# GPU and skips the benchmark. Further options are those of tests/gpu/run_checks.py.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BUILD_SECONDS=240
TARGETS=(quant-runner device_check gpu_ops_test method_conformance_test layers_test models_test train_test gpu_engine)
PREFIX="$ROOT/../prefix"
OUTPUT="$ROOT/build/gpu-check"
DEVICE=cuda
OPTIONS=()
while [ $# -gt 0 ]; do
  case "$1" in
    --device) DEVICE=${2:?--device needs cuda or cpu}; shift 2 ;;
    --output) OUTPUT=$(realpath -m "${2:?--output needs a folder}"); shift 2 ;;
    *) OPTIONS+=("$1"); shift ;;
  esac
done
case "$DEVICE" in cuda | cpu) ;; *) die "--device is $DEVICE; allowed: cuda, cpu" ;; esac
mkdir -p "$OUTPUT"

PYTHON=${QUANTLAB_CHECK_PYTHON:-python3}
TORCH=${QUANTLAB_TORCH_ROOT:-$("$PYTHON" -c 'import os, torch; print(os.path.dirname(torch.__file__))')} ||
  die "$PYTHON has no torch; set QUANTLAB_CHECK_PYTHON to the Python that has it"

configure_check() {
  local options=("-DQUANTLAB_TORCH_ROOT=$TORCH" "-B" "$BUILD_FOLDER")
  if [ -d "$PREFIX" ]; then
    options+=("-DCMAKE_PREFIX_PATH=$PREFIX/usr" "-DOPENSSL_ROOT_DIR=$PREFIX/usr")
    # Debian's Abseil of 2022 does not include <cstdint> itself, and GCC 13 no longer includes it indirectly.
    options+=("-DCMAKE_CXX_FLAGS=-isystem $PREFIX/usr/include -include cstdint")
    [ -d "$PREFIX/cutlass/include" ] && options+=("-DQUANTLAB_CUTLASS_INCLUDE=$PREFIX/cutlass/include")
  fi
  [ "$DEVICE" = cpu ] && options+=("-DQUANTLAB_CUDA_KERNELS=OFF")
  cmake -S "$ROOT" --preset runner-only "${options[@]}"
}

BUILD_FOLDER="$ROOT/build/gpu-$DEVICE"
START=$(date +%s)
step "Building against $TORCH"
mkdir -p "$ROOT/build"
configure_check >"$OUTPUT/configure.log" 2>&1 || {
  cat "$OUTPUT/configure.log" >&2
  die "configuring failed"
}
[ "$DEVICE" = cpu ] && BUILD_SECONDS=7200
timeout "$BUILD_SECONDS" cmake --build "$BUILD_FOLDER" --parallel "$(jobs)" --target "${TARGETS[@]}" -- -k 0 \
  >"$OUTPUT/build.log" 2>&1 || {
  grep -E -A6 'error|FAILED' "$OUTPUT/build.log" | head -80 >&2
  die "the build failed or took longer than $BUILD_SECONDS s; see $OUTPUT/build.log"
}
SECONDS_OF_BUILD=$(($(date +%s) - START))
step "Built in $SECONDS_OF_BUILD s"
export LD_LIBRARY_PATH="$PREFIX/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$PYTHON" "$ROOT/tests/gpu/run_checks.py" --device "$DEVICE" --bin "$BUILD_FOLDER/bin" --output "$OUTPUT" \
  --build-seconds "$SECONDS_OF_BUILD" "${OPTIONS[@]}"
