#!/bin/bash
# The tests, in a Laravel application into which composer installs the package.
set -euo pipefail
cd "$(dirname "$0")"

composer validate --strict --quiet
if [ ! -e /usr/share/php/Illuminate/autoload.php ]; then
    echo "skipped: needs Debian's php-laravel-framework"
    exit
fi
application=$(mktemp -d)
trap 'rm -rf "$application"' EXIT
export COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_HOME=$application/composer
bash tests/install.sh "$application"
(cd "$application" && composer require --quiet qrgate/laravel && mkdir -p storage && php setup.php)
php tests/run.php "$application"
