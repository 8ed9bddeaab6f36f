#!/bin/bash
# Starts the WordPress example; `./run.sh qrgate` also starts qrgate in front of it. Needs Debian's packages wordpress,
# php-cli, php-mysql and mariadb-server-core. Settings by environment: examples/common.sh. WORDPRESS is where its files
# are (/usr/share/wordpress); they are copied to $DATA, and the database lives there too.
source "$(dirname "$0")/../common.sh"

serve "${1:-}" ./serve.sh
