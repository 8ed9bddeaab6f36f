#!/bin/bash
# Starts deploy/container/compose.yaml with podman-compose, after the commands at its top, and signs in: qrgate, Redis and the
# example application. This script makes the images: qrgate from the program that container.sh built; a Debian replaces those of
# Redis and Python. The containers are in a private network without a way out.
source "$(dirname "$0")/machine"

static=target/static/qrgate
[ -e "$static" ] || skip "$static is not there; container.sh builds it"
for tool in podman runc ip nsenter /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns target/deploy-venv/bin/podman-compose; do
    command -v "$tool" > /dev/null || skip "$tool is not there; tests/setup.sh installs what the tests need, and manifests.sh podman-compose"
done
holds() {
    "${@:2}" || { echo "FAIL  $1"; exit 1; }
    echo "ok    $1"
}
give_up() { tail -n 5 "$folder/log"; skip "$@"; }
says() { [[ $1 == *"$2"* ]] || { echo "no “$2” in: $1"; return 1; }; }

repository=$PWD network=qrgate-$$
printf '%s\n' '[network]' 'network_backend = "netavark"' '[containers]' 'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]' > "$folder/containers.conf"
cat > "$folder/podman" <<END
#!/bin/sh
CONTAINERS_CONF=$folder/containers.conf exec podman --root $PWD/target/containers --runroot $PWD/target/containers/run --events-backend file \\
    --network-config-dir $folder/networks --cgroup-manager cgroupfs --runtime runc "\$@"
END
chmod +x "$folder/podman"
engine() { "$folder/podman" "$@"; }
inside() { nsenter --net="/run/netns/$network" "$@"; }
stack() { inside "$repository/target/deploy-venv/bin/podman-compose" --podman-path "$folder/podman" --project-name qrgate --file compose.yaml --file test.yaml "$@"; }
docker() { inside "$folder/podman" "$@"; }
sudo() { "$@"; }
leave() {
    stack down --volumes > /dev/null 2>&1 || true
    ip netns delete "$network" 2> /dev/null || true
    rm -rf "$folder"
}

if ! engine image exists qrgate-debian; then
    tar --create --one-file-system --directory "$root" . | engine import - qrgate-base > "$folder/log" 2>&1 || give_up "podman has no storage here"
    mkdir "$folder/debian"
    printf '%s\n' 'FROM qrgate-base' 'RUN apt-get update && apt-get install --yes --no-install-recommends redis-server python3-venv' > "$folder/debian/Containerfile"
    engine build --quiet --isolation chroot --tag qrgate-debian "$folder/debian" > "$folder/log" 2>&1 || give_up "podman cannot build here"
fi
for image in library/redis:7 library/python:3.12-slim; do engine tag qrgate-debian "docker.io/$image"; done
mkdir "$folder/image"
install "$static" "$folder/image/qrgate"
sed '/^FROM scratch/,$!d; s| --from=build /qrgate| qrgate|' deploy/container/Containerfile > "$folder/image/Containerfile"
engine build --quiet --isolation chroot --tag qrgate --tag qrgate_qrgate "$folder/image" > "$folder/log" 2>&1 || give_up "podman cannot build here"

# A copy of the files, in which the secrets are created. The packages of the example come from tests/setup.sh.
mkdir -p "$folder/copy/deploy"
cp -r deploy/container "$folder/copy/deploy"
ln -s "$PWD/examples" "$PWD/integrations" "$folder/copy"
ip netns add "$network"
trap leave EXIT
inside ip link set lo up
docker run --rm qrgate --version > "$folder/log" 2>&1 || give_up "podman cannot run a container here"

cd "$folder/copy/deploy/container"
cat > test.yaml <<END
services: { application: { environment: { PIP_NO_INDEX: "1", PIP_FIND_LINKS: /wheels }, volumes: ["$repository/target/wheels:/wheels:ro"] } }
END
eval "$(sed -n '2,/^services/s/^#   //p' compose.yaml)"
stack up --detach --no-build > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
for _ in $(seq 1200); do
    if inside curl --silent --fail --output "$folder/page" http://localhost:8080/; then break; fi
    sleep 0.1
done
holds 'the example is reached at the published port' grep --quiet 'Sign in' "$folder/page"
checked=$(docker exec qrgate_qrgate_1 /qrgate check --config /etc/qrgate/proxy.toml --user 1) || true
holds 'a whole sign-in succeeds' says "$checked" 'the new session is user 1 (ana)'
holds 'tickets are in Redis' says "$checked" 'ok    store         redis '
holds 'nothing fails' says "$checked" $'\n0 failures'
