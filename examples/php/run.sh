#!/bin/bash
# Starts the PHP example; `./run.sh qrgate` also starts qrgate in front of it. Needs php (8.1 or later) and no extension.
# Settings by environment: examples/common.sh.
source "$(dirname "$0")/../common.sh"

export QRGATE_USED_DIR=$DATA/qrgate-used
serve "${1:-}" php -q -d expose_php=0 -d "session.save_path=$DATA" -S "$HOST:$PORT" -t public
