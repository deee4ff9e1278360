#!/usr/bin/env bash
# Builds the fuzzers of tests/fuzz and runs each for a few seconds, starting from its corpus.
#
#   scripts/fuzz.sh [--seconds N] [--keep] [TARGET...]     default: 20 seconds, all targets
#
# --keep adds a minimal set of the inputs that reach new code to tests/fuzz/corpus. A failing input is stored in
# build/fuzz/failures and can be run alone: build/fuzz/bin/TARGET FILE.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SECONDS_EACH=20
KEEP=no
TARGETS=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) SECONDS_EACH=${2:?--seconds needs a number}; shift 2 ;;
    --keep) KEEP=yes; shift ;;
    -*) die "usage: scripts/fuzz.sh [--seconds N] [--keep] [TARGET...]" ;;
    *) TARGETS+=("$1"); shift ;;
  esac
done

build fuzz "${TARGETS[@]:-fuzzers}"
FUZZ="$ROOT/build/fuzz"
if [ ${#TARGETS[@]} -eq 0 ]; then
  for program in "$FUZZ"/bin/fuzz_*; do TARGETS+=("$(basename "$program")"); done
fi
mkdir -p "$FUZZ/failures"
failed=0
for target in "${TARGETS[@]}"; do
  corpus="$ROOT/tests/fuzz/corpus/$target"
  found="$FUZZ/found/$target"
  mkdir -p "$corpus" "$found"
  log="$FUZZ/$target.log"
  if "$FUZZ/bin/$target" -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$FUZZ/failures/$target-" "$found" "$corpus" >"$log" 2>&1; then
    step "$target: $(grep -ao 'stat::number_of_executed_units: *[0-9]*' "$log" | grep -o '[0-9]*$') inputs," \
      "$(grep -a 'cov:' "$log" | tail -1 | grep -ao 'cov: [0-9]*'), no failure"
  else
    failed=1
    tail -30 "$log" >&2
    step "$target: FAILED; the input is in $FUZZ/failures"
  fi
  if [ $KEEP = yes ]; then "$FUZZ/bin/$target" -merge=1 "$corpus" "$found" >/dev/null 2>&1 || true; fi
done
exit $failed
