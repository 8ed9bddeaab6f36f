#!/bin/bash
# Starts with an empty Debian and ends with a phone that is signed in over https: installs the package with the commands of
# docs/install.md, and orders and renews a certificate. The machine, Pebble and the browser share a network with loopback only.
#   tests/deploy/site.sh [PROGRAM]        by default target/debug/qrgate
source "$(dirname "$0")/machine"

for tool in ip nsenter pgrep node pebble certutil chromium; do
    command -v "$tool" > /dev/null || skip "$tool is not installed; tests/setup.sh installs what the tests need"
done

network=qrgate-$$
machine=
leave() {
    if [ -n "$machine" ]; then
        kill "$machine" 2> /dev/null || true
        wait "$machine" || true
    fi
    ip netns delete "$network" 2> /dev/null || true
    rm -rf "$folder"
}
trap leave EXIT
ip netns add "$network"
ip netns exec "$network" ip link set lo up

echo 'nameserver 127.0.0.1' > "$folder/resolv.conf" # Pebble's
"${boot[@]}" --network-namespace-path="/run/netns/$network" --resolv-conf=off --bind-ro="$folder/resolv.conf:/etc/resolv.conf" \
    --bind-ro="$PWD/examples:/srv/examples" --bind-ro="$PWD/integrations:/srv/integrations" > "$folder/console" 2>&1 < /dev/null &
machine=$!

# The process with number 1 in the machine. Waits until its systemd has started everything.
is_up() {
    leader=$(pgrep --parent "$machine" --newest) && nsenter --all --target "$leader" systemctl is-system-running --wait
}
for _ in $(seq 200); do
    state=$(is_up 2> /dev/null) || true
    case $state in running | degraded) break ;; esac
    sleep 0.1
done
case $state in
    running | degraded) ;;
    *) tail -n 20 "$folder/console" && skip "systemd does not boot in a container here ($state)" ;;
esac
LEADER=$(pgrep --parent "$machine" --newest) GUEST=$guest ip netns exec "$network" node --test tests/deploy/site.test.mjs
