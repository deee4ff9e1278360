#!/usr/bin/env bash
# Measures which lines of the core, the storage, the engine and the report are executed by their unit tests, and prints
# a table with one row per module.
#
#   scripts/coverage.sh              all modules listed below
#   scripts/coverage.sh storage …    only these
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The tests that are counted for each module. Tests that start whole programs are excluded: they show that the
# programs work together, not that a line is tested.
declare -A TESTS=(
  [server/core]="server_core_test"
  [server/config]="server_config_test"
  [server/service]="server_service_test"
  [storage]="storage_test"
  [report]="report_test report_golden_test report_compare_test"
  [worker/engine/kernels]="int8_kernels_test bf16_attention_test row_kernels_test weight_kernels_test"
  [worker/engine/text]="text_test"
  [worker/engine/data]="data_test"
  [worker/engine/tensors]="safetensors_test models_test"
  [worker/engine/layers]="layers_test method_conformance_test"
  [worker/engine/models]="models_test method_conformance_test"
  [worker/engine/plan]="models_test method_conformance_test"
  [worker/engine/tasks]="tasks_test"
  [worker/engine/train]="train_test"
  [worker/engine/calibration]="calibration_test method_conformance_test"
  [worker/engine/methods]="methods_test method_conformance_test"
  [worker/engine/measure]="measure_test statistics_test process_memory_test"
)

command -v gcovr >/dev/null || die "gcovr is missing; run scripts/setup.sh --all"
modules=("$@")
[ $# -gt 0 ] || mapfile -t modules < <(printf '%s\n' "${!TESTS[@]}" | sort)

tests=()
for module in "${modules[@]}"; do
  [ -n "${TESTS[$module]:-}" ] || die "no tests are listed for $module; modules: ${!TESTS[*]}"
  read -ra named <<<"${TESTS[$module]}"
  tests+=("${named[@]}")
done
mapfile -t tests < <(printf '%s\n' "${tests[@]}" | sort -u)

build coverage "${tests[@]}"
find "$ROOT/build/coverage" -name '*.gcda' -delete
cd "$ROOT"
for test in "${tests[@]}"; do
  step "Running $test"
  "$ROOT/build/coverage/bin/$test" --gtest_brief=1 >&2 || die "$test failed"
done

step "Counting"
gcovr --root "$ROOT" --object-directory "$ROOT/build/coverage" --exclude '.*_test\.cc$' --exclude '.*_testing\..*' \
  --exclude build/ --json-summary "$ROOT/build/coverage/summary.json" >/dev/null
python3 - "$ROOT/build/coverage/summary.json" "${modules[@]}" <<'PY'
import json, sys

summary, *modules = sys.argv[1:]
files = json.load(open(summary, encoding="utf-8"))["files"]
print("| module | lines | executed | share |\n|---|---|---|---|")
for module in modules:
    counted = [f for f in files if f["filename"].startswith(module + "/")]
    total, covered = (sum(f[key] for f in counted) for key in ("line_total", "line_covered"))
    print(f"| `{module}` | {total} | {covered} | {100 * covered / max(total, 1):.1f} % |")
print("\nFiles below 90 %:\n\n| file | lines | executed | share |\n|---|---|---|---|")
for f in sorted(files, key=lambda f: f["line_percent"] or 0):
    if f["line_total"] and f["line_percent"] < 90 and any(f["filename"].startswith(m + "/") for m in modules):
        print(f"| `{f['filename']}` | {f['line_total']} | {f['line_covered']} | {f['line_percent']:.1f} % |")
PY
