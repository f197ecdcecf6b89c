#!/usr/bin/env bash
# Makes target/python, a virtual environment with what the end-to-end tests need of Python: a second push service,
# schemathesis, and judges of the API's descriptions. Installs Python and npm themselves where they are missing and this may
# be done; else says what to install.
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

# The schema of AsyncAPI documents is published as an npm package: of that one file is needed.
ASYNCAPI_SPECS=6.11.1
ASYNCAPI_SCHEMA=target/python/asyncapi-3.0.0.json

if ! command -v npm >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing npm"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
    else
        echo "The end-to-end tests need npm: install it, with Node.js." >&2
        exit 1
    fi
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" "@asyncapi/specs@$ASYNCAPI_SPECS" >/dev/null
tar -xzOf "$folder/asyncapi-specs-$ASYNCAPI_SPECS.tgz" package/schemas/3.0.0.json >"$ASYNCAPI_SCHEMA"

touch target/python/.installed
