#!/usr/bin/env bash
# Installs missing dependencies: Debian packages, and LibTorch from the torch wheel in the project's virtual
# environment (.venv). A second call installs nothing.
#
#   scripts/setup.sh            for building and running, with the unit tests' libraries
#   scripts/setup.sh --tests    for scripts/test.sh, with the Python client in .venv-tests
#   scripts/setup.sh --all      for scripts/test.sh --all, with the runtimes of exported models in .venv-runtimes
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PACKAGES=(
  git ca-certificates g++ cmake ninja-build ccache pkg-config python3 python3-venv python3-pip
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev libssl-dev
  libsqlite3-dev libsqlitecpp-dev libspdlog-dev prometheus-cpp-dev libcivetweb-dev libyaml-cpp-dev libcli11-dev
  nlohmann-json3-dev libhwy-dev libonnx-dev libutf8proc-dev libicu-dev libzip-dev libcurl4-openssl-dev libjs-chart.js libgtest-dev libgmock-dev
  # Figures, HTML and PDF of reports; without them a report consists of Markdown, tables and data.
  gnuplot-nox pandoc weasyprint fonts-noto-cjk
)
TEST_PACKAGES=(clang-format-16 prometheus chromium poppler-utils)
AXE_VERSION=4.14.1
# Any npm works, not only Debian's.
command -v npm >/dev/null && NPM=() || NPM=(npm)
ALL_PACKAGES=("${NPM[@]}" clang-16 libclang-rt-16-dev clang-tidy-16 libbenchmark-dev gcovr help2man dpkg-dev debootstrap slurm-wlm munge buildah)

case "${1:-}" in
  "") ;;
  --tests) PACKAGES+=("${TEST_PACKAGES[@]}") ;;
  --all) PACKAGES+=("${TEST_PACKAGES[@]}" "${ALL_PACKAGES[@]}") ;;
  *) die "usage: scripts/setup.sh [--tests|--all]" ;;
esac

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "these Debian packages are missing, and this user is not root and has no sudo: ${missing[*]}"
  fi
}

install_packages() {
  command -v apt-get >/dev/null || die "this script supports Debian and Ubuntu (apt-get); on other systems install: ${PACKAGES[*]}"
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] && return
  step "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root apt-get update -q >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# Prints a python3 that can create virtual environments: the one in PATH, or else Debian's.
python_for_venv() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  die "no python3 with the venv module; install python3-venv"
}

install_torch() {
  local stamp="$VENV/.torch-$TORCH_VERSION"
  [ -f "$stamp" ] && return
  step "Installing LibTorch (torch $TORCH_VERSION) into .venv"
  local python
  python=$(python_for_venv)
  "$python" -m venv --clear "$VENV"
  "$VENV/bin/python" -m pip install --disable-pip-version-check "torch==$TORCH_VERSION" >&2 ||
    die "pip could not install torch==$TORCH_VERSION; check the network and try again"
  touch "$stamp"
}

# Installs the Python client in editable mode, with the packages that its tests and the notebooks need. Its
# code is generated again when proto/ changes.
install_test_venv() {
  local stamp="$TEST_VENV/.installed" inputs
  inputs=$(cat "$ROOT"/tests/requirements.txt "$ROOT"/client/python/{pyproject.toml,setup.py} \
    "$ROOT"/proto/quantlab/v1/*.proto | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ] && return
  step "Installing the Python client and the packages of its tests into .venv-tests"
  "$(python_for_venv)" -m venv --clear "$TEST_VENV"
  "$TEST_VENV/bin/python" -m pip install --disable-pip-version-check -q -r "$ROOT/tests/requirements.txt" >&2 ||
    die "pip could not install tests/requirements.txt; check the network and try again"
  "$TEST_VENV/bin/python" -m pip install --disable-pip-version-check -q --no-build-isolation --no-deps \
    --editable "$ROOT/client/python" >&2 || die "pip could not install client/python"
  echo "$inputs" >"$stamp"
}

# ONNX Runtime, OpenVINO and what else runs exported models (tests/export).
install_runtimes() {
  local stamp="$RUNTIMES_VENV/.installed" inputs
  inputs=$(sha256sum <"$ROOT/tests/export/requirements.txt")
  [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ] && return
  step "Installing the runtimes of exported models into .venv-runtimes"
  "$(python_for_venv)" -m venv --clear "$RUNTIMES_VENV"
  "$RUNTIMES_VENV/bin/python" -m pip install --disable-pip-version-check -q -r "$ROOT/tests/export/requirements.txt" >&2 ||
    die "pip could not install tests/export/requirements.txt; check the network and try again"
  echo "$inputs" >"$stamp"
}

# The rules that the report's pages are checked with (tests/report/accessibility_test.py).
install_axe() {
  [ "$(cat "$ROOT/.axe/.installed" 2>/dev/null)" = "$AXE_VERSION" ] && return
  step "Installing axe-core $AXE_VERSION into .axe"
  npm install --ignore-scripts --no-audit --no-fund --no-save --prefix "$ROOT/.axe" "axe-core@$AXE_VERSION" >&2 ||
    die "npm could not install axe-core@$AXE_VERSION; check the network and try again"
  echo "$AXE_VERSION" >"$ROOT/.axe/.installed"
}

install_packages
install_torch
if [ "${1:-}" != "" ]; then install_test_venv; fi
if [ "${1:-}" = --all ]; then
  install_axe
  install_runtimes
fi
