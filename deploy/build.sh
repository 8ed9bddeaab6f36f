#!/bin/bash
# Builds the program that packages ship: target/shipped/qrgate, with the profile `shipped` (link-time optimisation of the whole
# program) and profile-guided optimisation. A forwarded request takes about 22 % fewer instructions than with `cargo build --release`,
# which builds the same program in a few minutes and needs none of this.
#   deploy/build.sh [PROGRAM]      another path for the program; RUSTFLAGS and CARGO_PROFILE_SHIPPED_* apply as usual
# Builds twice. In between, the first program serves some scenarios of benches/compare and the sign-ins of benches/load, in less than a
# minute. Needs what benches/load needs, and an llvm-profdata that is no older than the compiler's profiles: rustup's component
# llvm-tools, or Debian's llvm-19.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
merge=
for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" $(compgen -c llvm-profdata | sort --unique --version-sort --reverse); do
    if [ -z "$merge" ] && command -v "$candidate" > /dev/null; then merge=$candidate; fi
done
if [ -z "$merge" ]; then
    echo "missing: llvm-profdata (rustup component add llvm-tools, or apt-get install llvm-19)" >&2
    exit 1
fi
benches/load --check

wanted=${1:-target/shipped/qrgate}
folder=$PWD/target/shipping
seen=$folder/seen
rm -rf "$seen"
mkdir -p "$seen"
# build RUSTFLAGS: with --target, the flags do not apply to build scripts.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $1" cargo build --locked --profile shipped --bin qrgate --target "$host" --target-dir "$folder"
}

build "-Cprofile-generate=$seen"
program=$folder/$host/shipped/qrgate
people=$(cd benches && env --unset=RUSTFLAGS python3 -c 'import shared; print(shared.built("--bench", "load", "dev"))')
benches/compare --proxies qrgate --seconds 1 --rounds 1 --binary "$program" \
    --only small,browser,100k,upload,new,tls-h1,tls-h2,download,websocket > "$seen/compare.log"
benches/load --quick --only steps --binary "$program" --people "$people" > "$seen/load.log"

# Named after its content, so that cargo builds again when it changes.
"$merge" merge --output "$seen/profile" "$seen"/*.profraw
profile=$folder/$(sha256sum "$seen/profile" | cut -c 1-16).profile
mv "$seen/profile" "$profile"
build "-Cprofile-use=$profile"
install -D "$program" "$wanted"
rm -rf "$seen" "$profile"
