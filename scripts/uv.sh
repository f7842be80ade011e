#!/usr/bin/env bash
# Runs uv: the one on PATH, else one of our own in .uv, made with nothing but python3.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "make: $*" >&2
  exit 1
}

install_uv() {
  command -v python3 >/dev/null || fail "python3 is missing. Please install Python 3.11 or newer."
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$(python3 --version) is too old. Please install Python 3.11 or newer, or uv."
  python3 -c 'import ensurepip' 2>/dev/null ||
    scripts/apt_install.sh "to make a virtual environment" python3-venv
  echo "installing uv into .uv …" >&2
  rm -rf .uv
  python3 -m venv .uv
  .uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
}

# A pyenv shim on PATH may have no program behind it, so run it instead of only finding it.
if uv --version >/dev/null 2>&1; then
  exec uv "$@"
fi
if ! .uv/bin/uv --version >/dev/null 2>&1; then
  install_uv
fi
exec .uv/bin/uv "$@"
