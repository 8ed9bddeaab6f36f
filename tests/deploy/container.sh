#!/bin/bash
# Tests the container file as far as possible without a registry: builds the program as the file's first step does, makes an image
# of it with the last step, and runs that with podman, without capabilities and on a read-only root.
#   tests/deploy/container.sh [PROGRAM]      a program without shared libraries; without it one is built, which takes long
# Needs root, podman, runc and python3; without them it prints a message and is skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
file=deploy/container/Containerfile

skip() {
    echo "skipped: $*"
    exit 0
}
# holds SENTENCE COMMAND...: the command succeeds
holds() {
    "${@:2}" || { echo "FAIL  $1"; exit 1; }
    echo "ok    $1"
}
within_20_s() {
    for _ in $(seq 200); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    "$@"
}
same() { [ "$1" = "$2" ] || { echo "“$1” is not “$2”"; return 1; }; }

[ "$(id -u)" = 0 ] || skip "a network of the test's own needs root"
for tool in podman runc ip python3 readelf; do
    command -v "$tool" > /dev/null || skip "$tool is not installed (apt-get install podman runc iproute2 python3 binutils)"
done

program=${1:-}
if [ -z "$program" ]; then
    # As in the Containerfile, but with fewer optimisations, to save time.
    export CARGO_PROFILE_SHIPPED_LTO=off CARGO_PROFILE_SHIPPED_CODEGEN_UNITS=16 CARGO_PROFILE_SHIPPED_OPT_LEVEL=1
    RUSTFLAGS=$(sed -n 's/^ENV RUSTFLAGS="\(.*\)"/\1/p' "$file") deploy/build.sh target/static/qrgate
    program=target/static/qrgate
fi
# A program header of this kind names the loader of shared libraries.
holds 'the program asks for no shared library' eval '! readelf --program-headers --wide "$program" | grep INTERP'

folder=$(mktemp -d)
network=qrgate-$$
served=
engine() { podman --root "$folder/storage" --runroot "$folder/runroot" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime runc "$@"; }
leave() {
    engine rm --force --all > /dev/null 2>&1 || true
    [ -z "$served" ] || kill "$served" 2> /dev/null || true
    ip netns delete "$network" 2> /dev/null || true
    rm -rf "$folder"
}
trap leave EXIT
inside() { ip netns exec "$network" "$@"; }

mkdir "$folder/build" "$folder/site" "$folder/etc"
install "$program" "$folder/build/qrgate"
sed '/^FROM scratch/,$!d; s| --from=build /qrgate| qrgate|' "$file" > "$folder/build/Containerfile"
if ! engine build --quiet --isolation chroot --tag qrgate "$folder/build" > "$folder/log" 2>&1; then
    tail -n 5 "$folder/log"
    skip "podman cannot build here"
fi

echo 'the application' > "$folder/site/index.html"
cat > "$folder/etc/proxy.toml" <<'TOML'
[listen]
address = "0.0.0.0:8080"
admin = "0.0.0.0:9180"
[application]
url = "http://application:8000"
[login]
secret_file = "/run/secrets/hook"
TOML
umask 077
"$program" secret > "$folder/etc/hook.secret"
chown 65532:65532 "$folder/etc/hook.secret"
chmod 644 "$folder/etc/proxy.toml"

# Loopback only: no port conflicts, and no other host reaches it.
ip netns add "$network"
inside ip link set lo up
inside python3 -m http.server --directory "$folder/site" --bind 127.0.0.1 8000 > /dev/null 2>&1 &
served=$!
within_20_s inside curl --silent http://127.0.0.1:8000/
if ! engine run --detach --name gate --network "ns:/run/netns/$network" --add-host application:127.0.0.1 \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
    --read-only --read-only-tmpfs=false --cap-drop ALL --security-opt no-new-privileges \
    --volume "$folder/etc/proxy.toml:/etc/qrgate/proxy.toml:ro" --volume "$folder/etc/hook.secret:/run/secrets/hook:ro" qrgate > "$folder/log" 2>&1; then
    tail -n 5 "$folder/log"
    skip "podman cannot run a container here"
fi
holds 'it starts, and finds the application by its name' within_20_s eval 'same "$(inside curl --silent --fail http://127.0.0.1:8080/)" "the application"'
holds 'it lives, and is ready' same "$(inside curl --silent --fail http://127.0.0.1:9180/healthz http://127.0.0.1:9180/readyz | tr -d '\n')" 'ok{"store":"ok","application":"ok"}'
pid=$(engine inspect --format '{{.State.Pid}}' gate)
holds 'it is not root' same "$(awk '/^Uid/ { print $2, $3 }' "/proc/$pid/status")" '65532 65532'
holds 'it has no rights, and can gain none' same "$(awk '/^(CapEff|CapBnd|NoNewPrivs)/ { print $2 }' "/proc/$pid/status" | tr '\n' ' ')" '0000000000000000 0000000000000000 1 '
holds 'its root is read-only' grep --quiet '^/ ro[, ]' <(cut -d ' ' -f 5- "/proc/$pid/mountinfo")
holds 'and holds one program' same "$(cd "/proc/$pid/root" && find . -xdev -type f -perm /111)" ./qrgate
holds 'it stops when told' engine stop --time 20 gate > /dev/null
holds 'in order' same "$(engine inspect --format '{{.State.ExitCode}}' gate)" 0
