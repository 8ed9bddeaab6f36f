#!/bin/bash
# Makes a Redmine from Debian's package in a folder, with an SQLite database and accounts: ana, bob, dora, cleo (locked) and
# admin. Each password is the name. The migrations take half a minute, so target/ keeps the result for the next time.
#   tests/instance.sh FOLDER
set -euo pipefail

make() {
    cp -r /usr/share/redmine/. .
    cp -rL --remove-destination /usr/share/redmine/public . # its links to other packages as files
    rm -rf instances Gemfile.lock                           # those of the system
    for name in config tmp log files public/plugin_assets; do mkdir -p "instances/default/$name"; done
    mkdir -p plugins tmp
    openssl rand -hex 32 > instances/default/config/secret_key.txt
    # Writing ahead, so that its processes do not wait for each other.
    sqlite3 production.sqlite3 'pragma journal_mode = wal' > /dev/null
    for name in production test; do
        echo "$name: { adapter: sqlite3, database: $name.sqlite3, timeout: 30000 }"
    done > instances/default/config/database.yml
    printf 'gem "sqlite3"\ngem "puma"\n' > Gemfile.local
    export RAILS_ENV=production BUNDLE_SILENCE_ROOT_WARNING=1
    bundle install --local --quiet
    bin/rails db:migrate > /dev/null
    bin/rails runner '
      User.anonymous # has the number 4, as after the first visit
      User.find_by(login: "admin").update_columns(must_change_passwd: false)
      %w[ana bob cleo dora].each do |name|
        status = name == "cleo" ? User::STATUS_LOCKED : User::STATUS_ACTIVE
        user = User.new(firstname: name.capitalize, lastname: "Example", mail: "#{name}@example.com", status: status, language: "en")
        user.login = user.password = name
        user.save!(validate: false) # such a password is too short
      end'
}

root=$(cd "$(dirname "$0")/../../../.." && pwd)
kept=$root/target/redmine-$({ dpkg-query --show redmine; cat "$0"; } | sha256sum | head -c 16)
if [ ! -d "$kept" ]; then
    mkdir -p "$root/target"
    made=$(mktemp -d "$root/target/redmine-XXXXXX")
    (cd "$made" && make)
    mv -T "$made" "$kept" || rm -r "$made" # another process was quicker
fi
mkdir -p "$1"
cp -r "$kept/." "$1"
