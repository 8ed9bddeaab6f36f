#!/bin/bash
# Starts the Rails example; `./run.sh qrgate` also starts qrgate in front of it. Needs Debian's packages ruby-railties,
# ruby-activerecord, ruby-actionpack, ruby-sqlite3 and puma. Settings by environment: examples/common.sh.
source "$(dirname "$0")/../common.sh"
export RUBYLIB=$PWD/../../integrations/rails/lib # qrgate-rails, by its path in this repository
export RAILS_ENV=production DATABASE_URL="sqlite3:$DATA/site.sqlite3?timeout=30000"

ruby db/prepare.rb
# Two processes, as in production: the accepted calls must be shared.
serve "${1:-}" puma --quiet --workers 2 --threads 2:2 --bind "tcp://$HOST:$PORT" config.ru
