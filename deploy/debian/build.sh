#!/bin/bash
# Makes a Debian package of a built program:
#   deploy/build.sh && deploy/debian/build.sh
#   deploy/debian/build.sh PROGRAM FOLDER     another program, another folder for the package
# Needs dpkg-deb but not cargo. DPKG_DEB_OPTIONS has options for dpkg-deb (-Znone: fast and large).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=${1:-$root/target/shipped/qrgate}
folder=${2:-$root/target/debian}
here=$root/deploy/debian
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
architecture=$(dpkg --print-architecture)

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
# put MODE SOURCE TARGET
put() { install -D --mode "$1" "$2" "$tree/$3"; }

put 755 "$program" usr/bin/qrgate
for unit in qrgate.service qrgate.socket; do put 644 "$root/deploy/systemd/$unit" "lib/systemd/system/$unit"; done
# For the secrets, which postinst creates, and for proxy.toml, which `qrgate init` writes.
install -d "$tree/etc/qrgate"

"$program" man | gzip -9n > "$tree/page"
put 644 "$tree/page" usr/share/man/man1/qrgate.1.gz
for shell in bash zsh fish; do
    "$program" completions "$shell" > "$tree/page"
    case $shell in
        bash) put 644 "$tree/page" usr/share/bash-completion/completions/qrgate ;;
        zsh) put 644 "$tree/page" usr/share/zsh/vendor-completions/_qrgate ;;
        fish) put 644 "$tree/page" usr/share/fish/vendor_completions.d/qrgate.fish ;;
    esac
done
rm "$tree/page"

documents=usr/share/doc/qrgate
for file in README.md CHANGELOG.md ARCHITECTURE.md SECURITY.md; do put 644 "$root/$file" "$documents/$file"; done
# The pages, and the built-in texts and templates, for people who replace some of them.
(cd "$root" && find docs locales templates deploy/grafana deploy/prometheus deploy/debian/copyright -type f -not -name '*.png' -not -path 'templates/demo/*') |
    while read -r file; do put 644 "$root/$file" "$documents/$file"; done
mv "$tree/$documents/deploy/debian/copyright" "$tree/$documents/copyright"
rmdir "$tree/$documents/deploy/debian"

# The version of the C library that the program's symbols require; a static program requires none.
depends=
if grep --quiet --text --fixed-strings /ld-linux "$program"; then
    libc=$(grep --only-matching --text 'GLIBC_2\.[0-9]*' "$program" | sort --unique --version-sort | tail -n 1)
    depends="Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1"
fi
size=$(du --summarize --apparent-size --block-size=1024 "$tree" | cut -f 1)

mkdir "$tree/DEBIAN"
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/; s/^@DEPENDS@$/$depends/" \
    -e '/^$/d' "$here/control" > "$tree/DEBIAN/control"
for script in postinst prerm postrm; do put 755 "$here/$script" "DEBIAN/$script"; done

mkdir -p "$folder"
package=$folder/qrgate_${version}_$architecture.deb
# shellcheck disable=SC2086 # several options
dpkg-deb --root-owner-group ${DPKG_DEB_OPTIONS:-} --build "$tree" "$package" > /dev/null
echo "$package"
