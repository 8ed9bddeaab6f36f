#!/bin/bash
# The Debian package in a separate Debian with a real systemd: install, start, reload, watchdog, socket, update, stop, purge.
#   tests/deploy/systemd.sh [PROGRAM]        by default target/debug/qrgate
source "$(dirname "$0")/machine"

mkdir "$folder/result"
cp tests/deploy/guest/* "$guest"
started=0
# A private network with loopback only.
timeout --kill-after=10 180 "${boot[@]}" --private-network --bind="$folder/result:/result" \
    --bind-ro="$guest/guest.service:/etc/systemd/system/guest.service" \
    systemd.wants=guest.service > "$folder/console" 2>&1 < /dev/null || started=$?
if [ ! -e "$folder/result/output" ]; then
    tail -n 20 "$folder/console"
    skip "systemd does not boot in a container here (systemd-nspawn: $started)"
fi
cat "$folder/result/output"
grep --quiet '^all holds$' "$folder/result/output"
