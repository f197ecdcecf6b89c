#!/usr/bin/env bash
# Makes target/python, a virtual environment with what the Python parts of the tests run on. Installs Python itself
# where that is missing and this may be done; else says what to install.
set -euo pipefail
cd "$(dirname "$0")/../.."

have_python() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

if ! have_python; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python3 and python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >/dev/null
    fi
    if ! have_python; then
        echo "The end-to-end tests need Python 3.10 or newer with venv: install python3 and python3-venv." >&2
        exit 1
    fi
fi

python3 -m venv target/python
target/python/bin/pip install --quiet --disable-pip-version-check --requirement tests/python/requirements.txt
touch target/python/.installed
