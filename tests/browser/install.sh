#!/usr/bin/env bash
# Sees that there is what the browser tests need: Chromium with its driver, and Node for the types and the parts of client.js.
# Installs it where that may be done; else says what to install. Puts the TypeScript compiler into target/browser.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() {
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium
    command -v chromedriver >/dev/null || echo chromium-driver
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
}

if [ -n "$(missing)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $(missing | xargs)"
        apt-get update -qq
        # shellcheck disable=SC2046 # one package a word
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(missing) >/dev/null
    fi
    if [ -n "$(missing)" ]; then
        echo "The browser tests need Chromium or Chrome, its driver, and Node 18 or newer with npm: install $(missing | xargs)." >&2
        exit 1
    fi
fi

mkdir -p target/browser
cp tests/browser/package.json tests/browser/package-lock.json target/browser/
npm ci --prefix target/browser --loglevel=error --no-update-notifier --no-audit --no-fund --ignore-scripts
touch target/browser/.installed
