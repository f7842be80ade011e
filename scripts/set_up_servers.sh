#!/usr/bin/env bash
# Installs the servers for the tests, which start them privately, never as services.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
PATH="$PATH:/usr/sbin"
command -v mariadbd >/dev/null || missing+=(mariadb-server-core)
command -v mariadb-install-db >/dev/null || missing+=(mariadb-server-core)
command -v mariadb >/dev/null || missing+=(mariadb-client-core)
[ -e /usr/lib/galera/libgalera_smm.so ] || [ -e /usr/lib/libgalera_smm.so ] || missing+=(galera-4)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v nginx >/dev/null || missing+=(nginx)
[ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || missing+=(libnginx-mod-rtmp)
command -v ffmpeg >/dev/null || missing+=(ffmpeg)
# Where there is no package of it, as on Ubuntu, a whole Chromium serves too: twice the CPU a page.
command -v chromium-headless-shell >/dev/null || command -v chromium-browser >/dev/null || missing+=(chromium-headless-shell)

if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  scripts/apt_install.sh "for the tests" "${missing[@]}"
fi
