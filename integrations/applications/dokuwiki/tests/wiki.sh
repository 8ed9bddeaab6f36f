#!/bin/bash
# Makes a separate DokuWiki from Debian's package, which is not changed.
#   tests/wiki.sh FOLDER     gets wiki/ (the program), conf/, data/, sessions/, php.ini, and prepend.php
# The accounts ana, bob, dora and admin have their names as passwords; admin is a superuser.
# Serve it with: php -c FOLDER/php.ini -S 127.0.0.1:PORT -t FOLDER/wiki
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$folder"
mkdir -p sessions data/{attic,cache,index,locks,log,media,media_attic,media_meta,meta,pages,tmp}
tar --create --dereference --exclude=testing --directory=/usr/share dokuwiki | tar --extract
mv dokuwiki wiki
mkdir conf
cp /etc/dokuwiki/*.conf /etc/dokuwiki/{dokuwiki,license,mediameta,plugins,plugins.required}.php conf
rm -f conf/apache.conf conf/lighttpd.conf
cat > php.ini << END
auto_prepend_file = $folder/prepend.php
session.save_path = $folder/sessions
opcache.revalidate_freq = 0
END
cat > prepend.php << END
<?php
define('DOKU_MAIN_CONF', '$folder/conf/');
define('DOKU_CONF', '$folder/conf/');
END
cat > conf/local.php << END
<?php
\$conf['title'] = 'Example';
\$conf['savedir'] = '$folder/data';
\$conf['useacl'] = 1;
\$conf['superuser'] = '@admin';
\$conf['updatecheck'] = 0;
END
printf '<?php\n' > conf/plugins.local.php
printf '* @ALL 1\n* @user 8\n' > conf/acl.auth.php
echo 'A page of the wiki.' > data/pages/start.txt
# shellcheck disable=SC2016
php -r 'foreach (["ana", "bob", "dora", "admin"] as $name) {
    echo "$name:", password_hash($name, PASSWORD_BCRYPT, ["cost" => 4]), ":", ucfirst($name), ":$name@example.com:";
    echo $name === "admin" ? "admin,user\n" : "user\n";
}' > conf/users.auth.php
