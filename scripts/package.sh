#!/usr/bin/env bash
# Makes the Debian packages of coordinator, worker, client and what they share, in build/release/packages.
#
#   scripts/package.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for tool in help2man dpkg-shlibdeps; do
  command -v "$tool" >/dev/null || die "$tool is missing; run scripts/setup.sh --all"
done
# A build folder that was configured before help2man was installed has no manual pages.
configure release
build release installable
rm -rf "$BUILD/packages"
step "Packing"
(cd "$BUILD" && cpack -G DEB) >"$BUILD/cpack.log" 2>&1 || {
  cat "$BUILD/cpack.log" >&2
  die "packing failed; the log above says why"
}
rm -rf "$BUILD/packages/_CPack_Packages"
ls -l "$BUILD"/packages/*.deb | awk '{printf "%8.1f MB  %s\n", $5 / 1e6, $9}'
