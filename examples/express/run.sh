#!/bin/bash
# Starts the Express example; `./run.sh qrgate` also starts qrgate in front of it. Needs node (18 or later) and npm.
# Settings by environment: examples/common.sh.
source "$(dirname "$0")/../common.sh"

if ! cmp -s package-lock.json node_modules/installed.json; then
    npm ci --silent
    cp package-lock.json node_modules/installed.json
fi
serve "${1:-}" node app.js
