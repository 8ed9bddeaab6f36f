#!/bin/bash
# A short run of every fuzz target from its kept inputs, five seconds each. Long ones: fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo fuzz --version > /dev/null 2>&1 || ! cargo +nightly --version > /dev/null 2>&1; then
    echo "skipped: needs a nightly toolchain and cargo-fuzz (fuzz/README.md)"
    exit 0
fi

# Without a sanitizer: there is no unsafe code here, and the search is faster.
options=(--sanitizer none --target-dir target/fuzz)

# The first build takes minutes and is not waited for: what is done by then is there the next time.
status=0
timeout "${BUILD_SECONDS:-90}" cargo +nightly fuzz build "${options[@]}" || status=$?
if [ "$status" = 124 ]; then
    echo "skipped: the build goes on with the next run; to wait for it: BUILD_SECONDS=3600 tests/fuzz.sh"
    exit 0
fi
[ "$status" = 0 ] || exit "$status"

# What is found goes to a folder of its own: the kept inputs change by intent only.
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    kept=("fuzz/seeds/$target" "fuzz/corpus/$target")
    [ ! -d "fuzz/regressions/$target" ] || kept+=("fuzz/regressions/$target")
    mkdir "$found/$target"
    if ! cargo +nightly fuzz run "${options[@]}" "$target" "$found/$target" "${kept[@]}" -- \
        -max_total_time="${SECONDS_EACH:-5}" -max_len=2048 -timeout=60 > "$found/log" 2>&1; then
        tail -n 60 "$found/log"
        exit 1
    fi
    echo "$target: $(grep --text '^Done' "$found/log")"
done
