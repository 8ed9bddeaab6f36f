#!/bin/bash
# Makes a wiki from Debian's MediaWiki in a folder: its own LocalSettings.php, SQLite database, images and extensions; the rest
# are links to the package. It has the accounts ana, bob, cleo (blocked), dora and admin; each password is "correct horse NAME".
#   tests/wiki.sh FOLDER SERVER
set -euo pipefail
folder=$1 server=$2
package=${MEDIAWIKI:-/usr/share/mediawiki}
mkdir -p "$folder"/{extensions,images,cache,data}
for entry in "$package"/*; do
    name=$(basename "$entry")
    [ "$name" = LocalSettings.php ] || [ -e "$folder/$name" ] || ln -s "$entry" "$folder/$name"
done
for extension in "$package"/extensions/*/; do ln -s "${extension%/}" "$folder/extensions"; done
export MW_INSTALL_PATH=$folder
# run SCRIPT ARGUMENT...
run() { php "$folder/maintenance/$1.php" "${@:2}" > /dev/null; }
run install --confpath="$folder" --dbtype=sqlite --dbpath="$folder/data" --dbname=my_wiki --server="$server" --scriptpath= \
    --extensions=OATHAuth --skins=Vector,MonoBook,MinervaNeue,Timeless --pass='correct horse admin' Notes Admin
for name in Ana Bob Cleo Dora; do run createAndPromote "$name" "correct horse ${name,,}"; done
echo Cleo | run blockUsers --performer=Admin
