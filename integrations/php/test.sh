#!/bin/bash
# The unit tests, against the single file and against the package as composer installs it.
set -euo pipefail
cd "$(dirname "$0")"

composer validate --strict --quiet
php build.php --check
phpunit -c phpunit.xml

application=$(mktemp -d)
trap 'rm -rf "$application"' EXIT
export COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_HOME=$application/home
mkdir "$COMPOSER_HOME"
here=$PWD
cd "$application"
echo '{"name": "example/application", "repositories": {"packagist.org": false}}' > composer.json
composer config repositories.qrgate "{\"type\": \"path\", \"url\": \"$here\", \"options\": {\"symlink\": false}}"
composer require --quiet --no-interaction qrgate/php:@dev
QRGATE_PHP=$application/vendor/autoload.php phpunit -c "$here/phpunit.xml"
