#!/bin/bash
# Tests that the files that deploy/release.sh makes of an existing program are complete, installable and verifiable.
#   tests/deploy/release.sh [PROGRAM]      a program without shared libraries; by default the one that container.sh built
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${1:-target/static/qrgate}
if [ ! -e "$program" ]; then
    echo "skipped: $program does not exist; container.sh builds it"
    exit 0
fi
folder=$(mktemp -d)
export GNUPGHOME=$folder/keys
trap 'gpgconf --kill all; rm -rf "$folder"' EXIT
# holds SENTENCE COMMAND...: the command succeeds
holds() {
    "${@:2}" || { echo "FAIL  $1"; exit 1; }
    echo "ok    $1"
}
mkdir --mode 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key release@example.com default default never 2> /dev/null

podman=(podman --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime runc)
export ENGINE=/bin/false BUILD_OPTIONS="--isolation chroot" DPKG_DEB_OPTIONS=-Znone
if [ "$(id -u)" = 0 ] && command -v podman runc > /dev/null; then ENGINE=${podman[*]}; fi
deploy/release.sh --program "$program" --sign release@example.com "$folder/files" > "$folder/list" 2> "$folder/errors"
version=$("$program" --version | sed 's/^qrgate \([^ ]*\).*/\1/')
cd "$folder/files"
archive=$(echo qrgate-"$version"-*-linux.tar.gz)
holds 'the signature of the checksums is good' gpg --batch --quiet --verify SHA256SUMS.asc SHA256SUMS 2> /dev/null
holds 'every file has its checksum' sha256sum --quiet --check --ignore-missing SHA256SUMS
holds 'and no file lacks one' test "$(wc -l < SHA256SUMS)" = "$(find . -type f -not -name 'SHA256SUMS*' | wc -l)"
tar --extract --gzip --file "$archive"
for file in qrgate qrgate.1 completions/qrgate.bash completions/qrgate.zsh completions/qrgate.fish proxy.toml qrgate.service README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT; do
    holds "the archive has $file" test -s "${archive%.tar.gz}/$file"
done
holds 'its program starts' test "$("${archive%.tar.gz}/qrgate" --version)" = "$("$OLDPWD/$program" --version 2> /dev/null || "$program" --version)"
holds 'the package has the same program' cmp "${archive%.tar.gz}/qrgate" <(dpkg-deb --fsys-tarfile qrgate_*.deb | tar --extract --to-stdout ./usr/bin/qrgate)
holds 'the bill of materials names the version' grep --quiet "\"pkg:cargo/qrgate@$version\"" qrgate-"$version"-*.cdx.json
image=$(echo qrgate-"$version"-*-image.tar)
if [ ! -e "$image" ]; then
    echo "skipped: podman cannot build an image here"
else
    "${podman[@]}" rmi "qrgate:$version" > /dev/null
    "${podman[@]}" load --quiet --input "$image" > /dev/null
    limits=(--network none --ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
    if says=$("${podman[@]}" run --rm "${limits[@]}" "qrgate:$version" --version); then
        holds 'the image is loaded and runs' test "$says" = "$("${archive%.tar.gz}/qrgate" --version)"
    else
        echo "skipped: podman cannot run a container here"
    fi
fi
cp SHA256SUMS "$folder/first"
cd "$OLDPWD"
ENGINE=/bin/false deploy/release.sh --program "$program" "$folder/files" > /dev/null 2>&1 # an image has the time of its making
holds 'made again, the files have the same bytes' cmp "$folder/first" "$folder/files/SHA256SUMS"
