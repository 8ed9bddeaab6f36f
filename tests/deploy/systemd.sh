#!/bin/bash
# The Debian package in a separate Debian with a real systemd: install, start, reload, watchdog, socket, update, stop, purge.
#   tests/deploy/systemd.sh [PROGRAM]        by default target/debug/qrgate
# Needs root, systemd-nspawn and debootstrap; without them it prints a message and is skipped. The Debian is kept in
# target/systemd-root, and no run changes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${1:-target/debug/qrgate}
root=$PWD/target/systemd-root

skip() {
    echo "skipped: $*"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "systemd in a container of its own needs root"
for tool in systemd-nspawn debootstrap dpkg-deb; do
    command -v "$tool" > /dev/null || skip "$tool is not installed (apt-get install systemd-container debootstrap dpkg)"
done
[ -e /sys/fs/cgroup ] || skip "there are no control groups here"

if [ ! -e "$root/made" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debootstrap --variant=minbase --include=systemd,systemd-sysv,libgcc-s1,curl,util-linux "$release" "$root" > "$root.log" 2>&1 ||
        skip "debootstrap could not make a Debian ($root.log)"
    touch "$root/made"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/guest" "$folder/result"
cp tests/deploy/guest/* "$folder/guest"
DPKG_DEB_OPTIONS=-Znone deploy/debian/build.sh "$program" "$folder" > /dev/null
mv "$folder"/qrgate_*.deb "$folder/guest/qrgate.deb"

# A private network with loopback only. Without systemd outside, the machine cannot be registered.
outside=()
[ -d /run/systemd/system ] || outside=(--register=no --keep-unit)
started=0
timeout --kill-after=10 180 systemd-nspawn --quiet --boot --directory="$root" --volatile=overlay --private-network --machine="qrgate-$$" \
    "${outside[@]}" --bind-ro="$folder/guest:/guest" --bind="$folder/result:/result" \
    --bind-ro="$folder/guest/guest.service:/etc/systemd/system/guest.service" \
    systemd.wants=guest.service > "$folder/console" 2>&1 < /dev/null || started=$?
if [ ! -e "$folder/result/output" ]; then
    tail -n 20 "$folder/console"
    skip "systemd does not boot in a container here (systemd-nspawn: $started)"
fi
cat "$folder/result/output"
grep --quiet '^all holds$' "$folder/result/output"
