#!/bin/bash
# Starts the Flask example; `./run.sh qrgate` also starts qrgate in front of it. Needs python3 with venv.
# Settings by environment: examples/common.sh. VENV is where Flask is installed (.venv beside this file).
source "$(dirname "$0")/../common.sh"
VENV=${VENV:-$PWD/.venv}

if ! cmp -s requirements.txt "$VENV/installed.txt"; then
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --requirement requirements.txt
    cp requirements.txt "$VENV/installed.txt"
fi

# Two processes, as in production: the accepted calls must be shared. Loaded once, so that Flask's secret exists before there
# are two.
serve "${1:-}" "$VENV/bin/python" -m gunicorn --preload --workers 2 --bind "$HOST:$PORT" --log-level warning app:app
