#!/usr/bin/env bash
# apt_install.sh WHY PACKAGE...: installs missing packages if allowed, else says what to install.
set -euo pipefail

why=$1
shift

explain() {
  echo "make: $* is missing, and needed $why. Please install it, on Debian with:" >&2
  echo "    sudo apt-get install $*" >&2
  exit 1
}

command -v apt-get >/dev/null || explain "$@"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || explain "$@"
  as_root=(sudo -n)
fi

echo "make: installing $* $why" >&2
# Packages must not start their services: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
log=$(mktemp)
if ! {
  "${as_root[@]}" apt-get update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
} >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  rm -f "$log"
  explain "$@"
fi
rm -f "$log"
