#!/bin/bash
# Makes the files of a release for this machine's architecture, in FOLDER (default: target/release-files):
#   qrgate-VERSION-ARCHITECTURE-linux.tar.gz   the static program, man page, completions, proxy.toml, licences
#   qrgate_VERSION_ARCHITECTURE.deb            the Debian package of the same program
#   qrgate-VERSION-ARCHITECTURE-image.tar      the container image (as `docker save` writes it), if podman or docker is here
#   qrgate-VERSION-ARCHITECTURE.cdx.json       the bill of materials (CycloneDX)
#   SHA256SUMS                                 of all files in the folder; signed (SHA256SUMS.asc) with --sign KEY
#
#   deploy/release.sh [--program PROGRAM] [--sign KEY] [FOLDER]
#
# Without --program, deploy/build.sh builds the program first. Run it once on each architecture with the same folder, and sign with the last run.
# KEY is a key of gpg. The workflow .github/workflows/release.yml runs this script.
set -euo pipefail
cd "$(dirname "$0")/.."

program= key= folder=target/release-files
while [ $# -gt 0 ]; do
    case $1 in
        --program) program=$2 && shift 2 ;;
        --sign) key=$2 && shift 2 ;;
        -*) echo "unknown option: $1" >&2 && exit 2 ;;
        *) folder=$1 && shift ;;
    esac
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
case $(uname -m) in
    x86_64) architecture=x86-64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(uname -m) ;;
esac

if [ -z "$program" ]; then
    program=target/static/qrgate
    # As in deploy/container/Containerfile.
    RUSTFLAGS="-C target-feature=+crt-static" deploy/build.sh "$program"
fi
if readelf --program-headers --wide "$program" | grep --quiet INTERP; then
    echo "$program needs shared libraries, so it does not run on every Linux: build it with -C target-feature=+crt-static" >&2
    exit 1
fi
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

name=qrgate-$version-$architecture-linux
mkdir -p "$work/$name/completions"
install "$program" "$work/$name/qrgate"
install --mode 644 README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT proxy.toml deploy/systemd/qrgate.service "$work/$name"
"$program" man > "$work/$name/qrgate.1"
for shell in bash zsh fish; do "$program" completions "$shell" > "$work/$name/completions/qrgate.$shell"; done
# The same program gives the same bytes: fixed order, owner and time (that of the commit).
stamp=$(git log -1 --format=%ct 2> /dev/null || echo 0)
tar --create --gzip --file "$folder/$name.tar.gz" --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$stamp" "$name"

SOURCE_DATE_EPOCH=$stamp deploy/debian/build.sh "$program" "$folder" > /dev/null

# ENGINE and BUILD_OPTIONS may have further arguments, such as a storage folder and --isolation chroot.
engine=${ENGINE:-$(command -v podman || command -v docker || true)}
if [ -n "$engine" ]; then
    # The last stage of the Containerfile, with the program that is there already.
    mkdir "$work/image"
    install "$program" "$work/image/qrgate"
    sed '/^FROM scratch/,$!d; s| --from=build /qrgate| qrgate|' deploy/container/Containerfile > "$work/image/Containerfile"
    if $engine build --quiet ${BUILD_OPTIONS:-} --file "$work/image/Containerfile" --tag "qrgate:$version" \
        --label "org.opencontainers.image.version=$version" \
        --label "org.opencontainers.image.revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)" "$work/image" > "$work/log" 2>&1 &&
        $engine save --output "$work/image.tar" "qrgate:$version" >> "$work/log" 2>&1; then
        mv "$work/image.tar" "$folder/qrgate-$version-$architecture-image.tar"
    else
        tail -n 3 "$work/log" >&2
        echo "no image: $engine could not build it" >&2
    fi
else
    echo "no image: neither podman nor docker is installed" >&2
fi

SOURCE_DATE_EPOCH=$stamp deploy/bill.py > "$folder/qrgate-$version-$architecture.cdx.json"

(cd "$folder" && rm -f SHA256SUMS SHA256SUMS.asc && find . -maxdepth 1 -type f -printf '%P\n' | sort | xargs sha256sum > "$work/sums" && mv "$work/sums" SHA256SUMS)
[ -z "$key" ] || gpg --batch --yes --local-user "$key" --armor --detach-sign "$folder/SHA256SUMS"
ls "$folder"
