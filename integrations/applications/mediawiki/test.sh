#!/bin/bash
# The PHPUnit tests, inside a wiki of Debian's MediaWiki.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find QRGate/ -name '*.php' -exec php -l {} \; | { ! grep -v '^No syntax errors'; }
tests/wiki.sh "$work/wiki" http://localhost:8080
cp -rL QRGate "$work/wiki/extensions"
echo "wfLoadExtension( 'QRGate' ); \$wgPHPSessionHandling = 'disable';" >> "$work/wiki/LocalSettings.php"
MW_INSTALL_PATH=$work/wiki php tests/phpunit.php -c phpunit.xml
