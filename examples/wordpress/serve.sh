#!/bin/bash
# The site: a MariaDB that only it can reach, and PHP's built-in server. Called by run.sh.
set -euo pipefail
cd "$(dirname "$0")"
export SOCKET=$DATA/db.sock SITE=$DATA/site

database= web=
stop() {
    trap - EXIT
    kill $web $database 2> /dev/null || true
    wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

me=(--user="$(id -un)")
if [ ! -d "$DATA/db" ]; then
    mariadb-install-db --no-defaults "${me[@]}" --datadir="$DATA/db" --auth-root-authentication-method=normal \
        --skip-test-db > /dev/null
fi
mariadbd --no-defaults "${me[@]}" --datadir="$DATA/db" --socket="$SOCKET" --pid-file="$DATA/db.pid" --skip-networking \
    --innodb-buffer-pool-size=32M --innodb-flush-log-at-trx-commit=2 2> "$DATA/db.log" &
database=$!
for _ in $(seq 300); do
    mariadb --no-defaults --socket="$SOCKET" --user=root --execute='create database if not exists notes' 2> /dev/null && break
    kill -0 "$database" # stop when it has ended
    sleep 0.1
done

if [ ! -e "$SITE/wp-config.php" ]; then
    mkdir -p "$SITE"
    cp -r "${WORDPRESS:-/usr/share/wordpress}/." "$SITE"
    rm -f "$SITE/wp-config.php"
    mkdir -p "$SITE/wp-content/mu-plugins" "$SITE/wp-content/themes"
    cp -rL qrgate "$SITE/wp-content/plugins" # qrgate: its plug-in
    cp -r theme "$SITE/wp-content/themes/notes"
    cp wp-config.php "$SITE"
fi
php -q install.php
php -q -d expose_php=0 -S "$HOST:$PORT" -t "$SITE" &
web=$!
wait "$web"
