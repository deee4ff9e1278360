#!/usr/bin/env bash
# From nothing to a report: installs what is missing, builds, fetches the encoder and the reviews, and
# runs configs/quick.yaml through the real service. A second call installs, builds and fetches nothing
# again, and reuses checkpoints and quantized models; timings are always measured anew.
#
#   scripts/run.sh                       configs/quick.yaml
#   scripts/run.sh configs/my.yaml …     another experiment; further words go to `quantctl run`
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/scripts/setup.sh"
build release programs
fetch_assets

if [ $# -eq 0 ]; then
  set -- "$ROOT/configs/quick.yaml"
fi
step "quantctl run $*"
exec "$BUILD/bin/quantctl" run "$@"
