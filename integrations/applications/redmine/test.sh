#!/bin/bash
# Builds the plugin, and runs its tests by Redmine's own runner, and the hook contract, in a Redmine of Debian's package.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -e /usr/share/redmine/config.ru ]; then
    echo "skipped: needs Debian's redmine"
    exit
fi
REDMINE=$(mktemp -d)
export REDMINE BUNDLE_SILENCE_ROOT_WARNING=1
trap 'rm -rf "$REDMINE"' EXIT
tests/instance.sh "$REDMINE"
./build.sh "$REDMINE/plugins"
(cd "$REDMINE" && RAILS_ENV="test" bin/rails redmine:plugins:test NAME=redmine_qrgate)
node --test tests/
