#!/bin/bash
# Makes the folder redmine_qrgate, as Redmine's folder plugins/ takes it.
#   ./build.sh [FOLDER]      where to put it (this folder's build/)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here/build}

mkdir -p "$to"
rm -rf "$to/redmine_qrgate"
cp -rL "$here/redmine_qrgate" "$to"
rm -r "$to/redmine_qrgate/vendor/qrgate-rails/generators" "$to/redmine_qrgate/vendor/qrgate-rails/qrgate-rails.rb"
cp "$here/../../../LICENSE-MIT" "$here/../../../LICENSE-APACHE" "$here/README.md" "$here/CHANGELOG.md" "$to/redmine_qrgate"
