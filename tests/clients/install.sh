#!/usr/bin/env bash
# Makes target/clients: the JavaScript libraries with which the end-to-end tests subscribe, pinned by package-lock.json. Sees
# to it that Node, curl and the proxies that the tests run are there: as root on Debian it installs what is missing, elsewhere it
# says what to install.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin

# The command of each thing, and its package in Debian.
declare -A packages=([node]=nodejs [npm]=npm [curl]=curl [nginx]=nginx-light [caddy]=caddy [haproxy]=haproxy)

missing() {
    local command
    for command in "${!packages[@]}"; do
        command -v "$command" >/dev/null || echo "${packages[$command]}"
    done
}

absent=$(missing)
if [ -n "$absent" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing" $absent
    # Packages of servers start them. These here are only run by the tests, on ports of their own.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $absent >/dev/null
    absent=$(missing)
fi
if [ -n "$absent" ]; then
    echo "The end-to-end tests run real clients and proxies; not found, by their names in Debian:" $absent >&2
    echo "Install Node 18 or newer with npm, curl with HTTP/2, nginx 1.18, Caddy 2.6 and HAProxy 2.4 or newer." >&2
    exit 1
fi
if ! node -e 'process.exit(parseInt(process.versions.node, 10) >= 18 ? 0 : 1)'; then
    echo "The end-to-end tests need Node 18 or newer; this is $(node --version)." >&2
    exit 1
fi

mkdir -p target/clients
cp tests/clients/package.json tests/clients/package-lock.json target/clients/
npm ci --prefix target/clients --loglevel=error --no-update-notifier --no-audit --no-fund
touch target/clients/.installed
