#!/usr/bin/env bash
# Runs clang-tidy 16 on the sources that do not need LibTorch, with the compile commands of the
# build with AddressSanitizer, which uses clang.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
commands="$ROOT/build/asan-ubsan/compile_commands.json"
[ -f "$commands" ] || { mkdir -p build && configure asan-ubsan; }
mapfile -t files < <(python3 - "$commands" "$ROOT" <<'PY'
import json, sys
commands, root = sys.argv[1:]
for entry in json.load(open(commands)):
    path = entry["file"]
    if path.startswith(root + "/") and "/build/" not in path and not path.endswith("_test.cc"):
        print(path)
PY
)
printf '%s\0' "${files[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy-16 --quiet -p "$(dirname "$commands")" --warnings-as-errors='*'
