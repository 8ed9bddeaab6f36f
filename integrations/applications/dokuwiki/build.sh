#!/bin/bash
# Builds qrgate.zip, the plugin as DokuWiki's extension manager takes it. The same sources give the same bytes.
#   ./build.sh [FOLDER]      where to put it (this folder)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
to=$(cd "${1:-$here}" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -rL "$here/qrgate" "$work/qrgate"
cp "$here/README.md" "$here/../../../LICENSE-MIT" "$here/../../../LICENSE-APACHE" "$work/qrgate"
cd "$work"
find qrgate -exec touch --date='1980-01-01 00:00:00 UTC' {} +
find qrgate -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
rm -f "$to/qrgate.zip"
find qrgate -type f | LC_ALL=C sort | TZ=UTC zip --quiet -X "$to/qrgate.zip" -@
