#!/bin/bash
# Builds the zip twice, compares the two, and runs the tests inside a WordPress with a separate database.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
site=
stop() {
    if [ -n "$site" ]; then kill "$site" 2> /dev/null && wait "$site" || true; fi
    rm -rf "$work"
}
trap stop EXIT
mkdir "$work/again" "$work/data"
./build.sh "$work"
./build.sh "$work/again"
cmp "$work/qrgate.zip" "$work/again/qrgate.zip"
unzip -q "$work/qrgate.zip" -d "$work"
find "$work/qrgate" -name '*.php' -exec php -l {} \; | { ! grep -v '^No syntax errors'; }

export DATA=$work/data SITE=$work/data/site SOCKET=$work/data/db.sock HOST=127.0.0.1
PORT=$(php -r '$s = stream_socket_server("tcp://127.0.0.1:0"); echo substr(strrchr(stream_socket_get_name($s, false), ":"), 1);')
export PORT
../../examples/wordpress/serve.sh > "$work/log" 2>&1 &
site=$!
until php -r 'exit(@fsockopen("127.0.0.1", (int) getenv("PORT")) ? 0 : 1);'; do
    kill -0 "$site" || { cat "$work/log"; exit 1; }
    sleep 0.2
done
rm -r "$SITE/wp-content/plugins/qrgate"
cp -r "$work/qrgate" "$SITE/wp-content/plugins"
php -d error_reporting=-1 -d display_errors=1 tests/run.php "$SITE"
