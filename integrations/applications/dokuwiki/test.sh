#!/bin/bash
# Builds the zip twice, compares the two, and runs the unit tests and the hook contract in a separate DokuWiki.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -e /usr/share/dokuwiki/doku.php ]; then
    echo "skipped: needs Debian's dokuwiki"
    exit
fi
WIKI=$(mktemp -d)
export WIKI
trap 'rm -rf "$WIKI"' EXIT
mkdir "$WIKI/again"
./build.sh "$WIKI"
./build.sh "$WIKI/again"
cmp "$WIKI/qrgate.zip" "$WIKI/again/qrgate.zip"
tests/wiki.sh "$WIKI"
unzip -q "$WIKI/qrgate.zip" -d "$WIKI/wiki/lib/plugins"
find "$WIKI/wiki/lib/plugins/qrgate" -name '*.php' -exec php -l {} \; | { ! grep -v '^No syntax errors'; }
php -c "$WIKI/php.ini" /usr/bin/phpunit --stderr --do-not-cache-result --bootstrap tests/bootstrap.php --test-suffix .test.php \
    --fail-on-warning --fail-on-risky "$WIKI/wiki/lib/plugins/qrgate/_test"
node --test tests/
