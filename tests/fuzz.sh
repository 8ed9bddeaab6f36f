#!/bin/bash
# A short run of every fuzz target over its kept inputs: SECONDS_EACH (default 8) seconds each. Long ones: fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo fuzz --version > /dev/null 2>&1 || ! cargo +nightly --version > /dev/null 2>&1; then
    echo "skipped: cargo-fuzz and a nightly toolchain are not both here (fuzz/README.md)"
    exit 0
fi

run() {
    # Not with a sanitizer: there is no unsafe code here, and without one the search is faster.
    cargo +nightly fuzz "$1" --sanitizer none --target-dir target/fuzz "${@:2}"
}

# New inputs go to a folder of their own: the kept ones change by intent only.
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
run build
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    echo "-- $target"
    mkdir -p "$found/$target" "fuzz/regressions/$target"
    run run "$target" "$found/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/regressions/$target" -- \
        -max_total_time="${SECONDS_EACH:-8}" -max_len=4096 -timeout=10 -verbosity=0 -print_final_stats=1 2>&1 |
        grep --invert-match --extended-regexp '^(INFO|stat::(new|slow|peak|average))' || exit 1
done
