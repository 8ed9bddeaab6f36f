#!/bin/bash
# Installs what the tests need, and only what is missing: Debian packages (as root; otherwise it prints the command),
# the Python packages of the Django and Flask examples (and daphne) into target/*-venv, the npm packages of the browser tests.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
# need COMMAND PACKAGE...
need() {
    command -v "$1" > /dev/null || missing+=("${@:2}")
}
need cc gcc libc6-dev          # aws-lc, mimalloc
need redis-server redis-server # the store
need faketime faketime         # clocks that jump
need ip iproute2               # networks that split
need nginx nginx               # proxies in front
need haproxy haproxy
need caddy caddy
need chromium chromium         # the browsers
need firefox-esr firefox-esr
need zbarimg zbar-tools        # reads a code from a picture
need openssl openssl           # certificates
need shellcheck shellcheck
need gpg gnupg                 # signs the files of a release
need readelf binutils
need pebble pebble             # the ACME authority
need certutil libnss3-tools    # makes Chromium trust it
need h2load nghttp2-client     # what packages are trained with
need wrk wrk
[ -e "$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-profdata" ] || need llvm-profdata-19 llvm-19
need php php-cli               # the examples
need javac default-jdk-headless
need composer composer         # the packages in PHP
need phpunit phpunit
# Some releases of Debian have no Laravel; without it the tests of its package are skipped.
[ -e /usr/share/php/Illuminate/autoload.php ] || ! apt-cache show php-laravel-framework > /dev/null 2>&1 || missing+=(php-laravel-framework)
# Some have no Redmine. With dbconfig-no-thanks it gets no database.
[ -e /usr/share/redmine/config.ru ] || ! apt-cache show redmine > /dev/null 2>&1 || missing+=(redmine redmine-sqlite dbconfig-no-thanks)
need msgfmt gettext
need zip zip
need unzip unzip
need apache2 apache2
compgen -G '/usr/lib/apache2/modules/libphp*.so' > /dev/null || missing+=(libapache2-mod-php)
need node nodejs
need npm npm
need puma puma
need mariadbd mariadb-server-core
need mariadb-install-db mariadb-server-core
need mariadb mariadb-client
python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3 python3-venv)
ruby -e 'require "rails"; require "active_record"; require "action_controller"; require "sqlite3"' 2> /dev/null ||
    missing+=(ruby-railties ruby-activerecord ruby-actionpack ruby-sqlite3)
# The gem's tests: a project of `rails new`, Devise.
ruby -e '%w[bundler rails devise minitest].each { |name| gem name }' 2> /dev/null || missing+=(bundler ruby-rails ruby-devise ruby-minitest)
[ -e /usr/share/wordpress/wp-load.php ] || missing+=(wordpress)
[ -e /usr/share/mediawiki/rest.php ] || missing+=(mediawiki php-sqlite3)
# Some have no DokuWiki. It gets no account and no web server.
[ -e /usr/share/dokuwiki/doku.php ] || ! apt-cache show dokuwiki > /dev/null 2>&1 || missing+=(dokuwiki)
# php_extension NAME PACKAGE
php_extension() {
    php -r 'exit(extension_loaded($argv[1]) ? 0 : 1);' "$1" 2> /dev/null || missing+=("$2")
}
php_extension mysqli php-mysql
php_extension pdo_sqlite php-sqlite3
php_extension redis php-redis
if [ "$(id -u)" = 0 ]; then # what boots the package and runs the image; nobody else could run these
    need systemd-nspawn systemd-container
    need debootstrap debootstrap
    need podman podman
    need runc runc
    need /usr/lib/podman/netavark netavark # networks with names, for the compose file
    need /usr/lib/podman/aardvark-dns aardvark-dns
fi

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    debconf-set-selections << END
dokuwiki dokuwiki/system/configure-webserver multiselect
dokuwiki dokuwiki/wiki/acl boolean false
END
    apt-get update --quiet --quiet
    apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" > /dev/null
fi

node --input-type=module -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || {
    echo "missing: node 20 or later (this is $(node --version))" >&2
    exit 1
}

# venv NAME FOLDER FILE...: target/NAME-venv with what these files of the folder require; they may name packages by path.
venv() {
    local venv=$PWD/target/$1-venv
    (cd "$2" && cat "${@:3}" | cmp -s - "$venv/all.txt") && return
    mkdir -p target
    python3 -m venv --clear "$venv"
    (
        cd "$2"
        # shellcheck disable=SC2046
        "$venv/bin/pip" install --quiet $(printf -- '--requirement %s ' "${@:3}")
        cp "$3" "$venv/installed.txt" # run.sh of the example compares this one
        cat "${@:3}" > "$venv/all.txt"
    )
}
venv django examples/django requirements.txt
venv flask examples/flask requirements.txt
venv daphne examples/django requirements.txt ../../tests/browser/daphne.txt # the Django example under another server
venv oldest integrations requirements-oldest.txt                            # the oldest frameworks that the packages support
venv newest integrations requirements-newest.txt                            # with more extensions than an example
venv build integrations requirements-build.txt                              # builds the Python packages
venv calibre-web tests/browser calibre-web.txt                             # for the unit tests of its drop-in
jupyterhub=integrations/applications/jupyterhub
venv jupyterhub $jupyterhub requirements-newest.txt
venv jupyterhub-oldest $jupyterhub requirements-oldest.txt

# Wheels of all packages that the tests install, so that the tests need no network.
needed=(integrations/requirements-{build,newest}.txt examples/django/requirements.txt examples/flask/requirements.txt
    tests/browser/{calibre-web,wagtail}.txt "$jupyterhub/requirements-newest.txt")
if ! cat "${needed[@]}" | cmp -s - target/wheels/all.txt; then
    mkdir -p target/wheels
    for file in "${needed[@]}"; do # one at a time: applications need different versions of the same package
        grep -v '^-e' "$file" > target/wheels/requirements.txt
        # By PEP 517, because the pip of Debian 12 otherwise needs the package `wheel` to build a package from its source.
        target/build-venv/bin/pip wheel --quiet --use-pep517 --wheel-dir target/wheels --requirement target/wheels/requirements.txt
    done
    cat "${needed[@]}" > target/wheels/all.txt
fi

# The receiver of docs/events.md.
venv=target/events-venv
if ! cmp -s tests/browser/events.txt "$venv/installed.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement tests/browser/events.txt
    cp tests/browser/events.txt "$venv/installed.txt"
fi

for folder in tests/browser integrations/express examples/express; do
    if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/installed.json"; then
        (cd "$folder" && npm ci --silent && cp package-lock.json node_modules/installed.json)
    fi
done

# The packages that the tests of the npm package install without a registry.
packages="express@5.3.0 express-session@1.19.0"
if [ "$(cat target/npm-cache/packages 2> /dev/null)" != "$packages" ]; then
    project=$(mktemp -d)
    # shellcheck disable=SC2086
    npm install --silent --no-save --prefix "$project" --cache target/npm-cache $packages
    rm -r "$project"
    echo "$packages" > target/npm-cache/packages
fi
