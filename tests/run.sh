#!/bin/bash
# All checks and tests, as CI runs them.
#   tests/run.sh [STEP...]      some of: lint test packages outage fuzz browser deploy; all of them without an argument
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    echo "== $*"
    "$@"
}

run_lint() {
    step cargo fmt --check
    step cargo clippy --locked --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" step cargo doc --locked --no-deps --document-private-items
    # 1007: `a= b=`; 1111, 1112: typographic quotes in messages. common.sh is read with the scripts that source it.
    git ls-files -z '*.sh' ':!examples/common.sh' deploy/debian/p* |
        step xargs -0 shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR --exclude=SC1007,SC1111,SC1112
    if command -v cargo-deny > /dev/null; then
        step cargo deny --offline check bans licenses sources
    fi
}

run_test() {
    step cargo test --locked
}

run_packages() {
    shopt -s nullglob
    for script in integrations/{,applications/}*/test.sh; do step "$script"; done
}

run_outage() {
    step cargo test --locked --test stories -- --ignored outage
}

run_fuzz() {
    step bash tests/fuzz.sh
}

run_browser() {
    step cargo build --locked
    (cd tests/browser && step npm test)
}

run_deploy() {
    for script in tests/deploy/*.sh; do step bash "$script"; done
}

[ $# -gt 0 ] || set -- lint test packages outage fuzz browser deploy
for name in "$@"; do
    case $name in
        lint | test | packages | outage | fuzz | browser | deploy) ;;
        *) echo "unknown step: $name; there are lint, test, packages, outage, fuzz, browser and deploy" >&2 && exit 2 ;;
    esac
done
step bash tests/setup.sh
for name in "$@"; do "run_$name"; done
