#!/bin/bash
# Everything that must hold before a change lands: the one command of the README.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    echo "== $*"
    "$@"
}

step bash tests/setup.sh
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --locked --no-deps
if command -v cargo-deny > /dev/null; then
    step cargo deny --offline check bans licenses sources
fi
step cargo test --locked
step cargo test --locked --test stories -- --ignored outage
step bash tests/fuzz.sh
step cargo build --locked
(cd tests/browser && step npm test)
for script in tests/deploy/*.sh; do step bash "$script"; done
