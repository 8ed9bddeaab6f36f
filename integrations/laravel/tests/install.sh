#!/bin/bash
# Makes FOLDER the application with the package installed by composer, and without asking a registry.
#   tests/install.sh FOLDER [PACKAGE]      PACKAGE: the folder of the package (this one)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cp -r "$here/application/." "$1"
cd "$1"
path() {
    printf '{"type": "path", "url": "%s", "options": {"symlink": false, "versions": {"qrgate/%s": "0.1.0"}}}' "$1" "$2"
}
version=$(php -r 'require "Illuminate/autoload.php"; echo Illuminate\Foundation\Application::VERSION;')
framework=$(for part in auth cache session support; do printf '"illuminate/%s": "%s", ' $part "$version"; done)
cat > composer.json <<JSON
{
  "name": "example/notes",
  "repositories": [{"packagist.org": false}, $(path "${2:-$here/..}" laravel), $(path "$here/../../php" php)],
  "provide": {${framework%, }},
  "autoload": {"psr-4": {"App\\\\": "app/"}},
  "scripts": {"post-autoload-dump": ["rm -f bootstrap/cache/*.php"]}
}
JSON
