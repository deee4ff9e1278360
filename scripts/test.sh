#!/usr/bin/env bash
# Sets up, builds and tests.
#
#   scripts/test.sh          the tests that every change must pass
#   scripts/test.sh --all    also the long ones: sanitizers and lock annotations, short runs of the fuzzers, clang-tidy,
#                            accuracy and determinism of configs/quick.yaml, repeated kills
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ALL=no
case "${1:-}" in
  "") ;;
  --all) ALL=yes ;;
  *) die "usage: scripts/test.sh [--all]" ;;
esac

if [ $ALL = yes ]; then "$ROOT/scripts/setup.sh" --all; else "$ROOT/scripts/setup.sh" --tests; fi

step "Checking format"
"$ROOT/scripts/format.sh" --check

build release
fetch_assets

# run_ctest PRESET [CTEST-OPTION...]
run_ctest() {
  local preset=$1
  shift
  step "Testing ($preset)"
  ctest --test-dir "$ROOT/build/$preset" --output-on-failure --parallel "$(nproc)" "$@"
}

if [ $ALL = no ]; then
  run_ctest release --label-exclude long
  exit
fi

run_ctest release
for preset in asan-ubsan tsan; do
  build "$preset"
  run_ctest "$preset" --label-exclude 'long|system'
done
"$ROOT/scripts/fuzz.sh" --seconds 20
step "clang-tidy"
"$ROOT/scripts/tidy.sh"
