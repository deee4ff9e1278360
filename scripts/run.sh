#!/usr/bin/env bash
# From a fresh checkout to a report: installs missing packages, builds, downloads the encoder and the
# reviews, and runs configs/quick.yaml with the real service. A second call skips installation, build and
# download, and reuses checkpoints and quantized models; timings are always measured again.
#
#   scripts/run.sh                       configs/quick.yaml
#   scripts/run.sh configs/my.yaml …     another experiment; further arguments go to `quantctl run`
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/scripts/setup.sh"
build release programs
fetch_assets

if [ $# -eq 0 ]; then
  set -- "$ROOT/configs/quick.yaml"
fi
step "quantctl run $*"
exec "$BUILD/bin/quantctl" run "$@"
