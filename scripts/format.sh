#!/usr/bin/env bash
# Formats the C++ sources with clang-format 16; --check only reports the differences, and fails if there are any.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
command -v clang-format-16 >/dev/null || die "clang-format-16 is missing; run scripts/setup.sh --tests"
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cc' '*.h')
if [ "${1:-}" = --check ]; then
  clang-format-16 --dry-run --Werror "${files[@]}" || die "not formatted; run scripts/format.sh"
else
  clang-format-16 -i "${files[@]}"
fi
