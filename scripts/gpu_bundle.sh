#!/usr/bin/env bash
# Makes an archive with everything that scripts/gpu_check.sh needs on a machine without network: the sources,
# the C++ libraries of quant-runner from Debian's packages, and CUTLASS's headers from PyPI.
#
#   scripts/gpu_bundle.sh [FILE]     default: build/gpu-bundle.tar.gz
#
# On that machine:  tar xzf gpu-bundle.tar.gz && quantlab/scripts/gpu_check.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MAX_MIB=60
CUTLASS_VERSION=4.2.0.0
PACKAGES=(
  libabsl-dev libabsl20220623 libssl-dev libssl3 nlohmann-json3-dev libcli11-dev libutf8proc-dev libutf8proc2 libhwy-dev libhwy1
  libicu-dev libicu72
  libgtest-dev libgmock-dev googletest
)
# Files that neither the build nor the checks read.
LEFT_OUT=(':!docs' ':!report' ':!notebooks' ':!client' ':!server' ':!storage' ':!tests/golden/report')

case "${1:-}" in
  -*) die "usage: scripts/gpu_bundle.sh [FILE]" ;;
esac
OUTPUT=$(realpath -m "${1:-$ROOT/build/gpu-bundle.tar.gz}")
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT

copy_sources() {
  step "Copying the sources"
  mkdir -p "$STAGE/quantlab"
  (cd "$ROOT" && git ls-files -z --cached --others --exclude-standard -- . "${LEFT_OUT[@]}" |
    xargs -0 sh -c 'for file; do [ -f "$file" ] && printf "%s\\0" "$file"; done; true' sh |
    tar --null --files-from=- -cf -) | tar -C "$STAGE/quantlab" -xf -
  git -C "$ROOT" rev-parse HEAD >"$STAGE/quantlab/COMMIT"
}

# Unpacks Debian's packages without installing them; keeps static libraries only if there is no shared one.
copy_packages() {
  step "Fetching ${#PACKAGES[@]} Debian packages"
  command -v apt-get >/dev/null || die "this script needs apt-get (Debian 12)"
  mkdir -p "$STAGE/debs" "$STAGE/prefix"
  (cd "$STAGE/debs" && apt-get -q -o APT::Sandbox::User=root download "${PACKAGES[@]}" >&2) ||
    die "apt-get could not download the packages; run apt-get update and try again"
  local package
  for package in "$STAGE"/debs/*.deb; do dpkg -x "$package" "$STAGE/prefix"; done
  find "$STAGE/prefix" -name '*.a' ! -name 'libg*.a' -delete
  rm -rf "$STAGE/debs" "$STAGE/prefix/usr/share/doc" "$STAGE/prefix/usr/src" "$STAGE/prefix/usr/share/man"
}

copy_cutlass() {
  step "Fetching CUTLASS $CUTLASS_VERSION"
  python3 -m pip download --disable-pip-version-check -q --no-deps --dest "$STAGE" \
    "nvidia-cutlass==$CUTLASS_VERSION" >&2 || die "pip could not download nvidia-cutlass==$CUTLASS_VERSION"
  python3 -m zipfile -e "$STAGE"/nvidia_cutlass-*.whl "$STAGE/wheel"
  mkdir -p "$STAGE/prefix/cutlass"
  mv "$STAGE/wheel/cutlass_library/source/include" "$STAGE/prefix/cutlass/include"
  mkdir -p "$STAGE/prefix/cutlass/include/cutlass/util"
  cp "$STAGE/wheel/cutlass_library/source/tools/util/include/cutlass/util/packed_stride.hpp" \
    "$STAGE/prefix/cutlass/include/cutlass/util/"
  rm -rf "$STAGE/wheel" "$STAGE"/nvidia_cutlass-*.whl
}

copy_sources
copy_packages
copy_cutlass
mkdir -p "$(dirname "$OUTPUT")"
tar -C "$STAGE" -czf "$OUTPUT" quantlab prefix
size=$(($(stat -c %s "$OUTPUT") / 1048576))
[ "$size" -le $MAX_MIB ] || die "$OUTPUT has $size MiB, more than $MAX_MIB"
step "$OUTPUT: $size MiB"
