#!/bin/bash
# Runs every fuzz target for five seconds, starting with its kept inputs. fuzz/README.md explains long runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo fuzz --version > /dev/null 2>&1 || ! cargo +nightly --version > /dev/null 2>&1; then
    echo "skipped: needs a nightly toolchain and cargo-fuzz (fuzz/README.md)"
    exit 0
fi

# No sanitizer is needed, because qrgate has no unsafe code, and fuzzing is faster without one.
options=(--sanitizer none --target-dir target/fuzz)

# The first build takes minutes. This script does not wait for it; the next run continues it.
status=0
timeout "${BUILD_SECONDS:-90}" cargo +nightly fuzz build "${options[@]}" || status=$?
if [ "$status" = 124 ]; then
    echo "skipped: the build continues with the next run; to wait for it: BUILD_SECONDS=3600 tests/fuzz.sh"
    exit 0
fi
[ "$status" = 0 ] || exit "$status"

# Inputs that reach new code stay in fuzz/corpus, which is not part of the repository: the next run begins with them.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    inputs=("fuzz/corpus/$target" "fuzz/seeds/$target")
    [ ! -d "fuzz/regressions/$target" ] || inputs+=("fuzz/regressions/$target")
    mkdir -p "fuzz/corpus/$target"
    if ! cargo +nightly fuzz run "${options[@]}" "$target" "${inputs[@]}" -- \
        -max_total_time="${SECONDS_EACH:-5}" -max_len=2048 -timeout=60 > "$log" 2>&1; then
        tail -n 60 "$log"
        exit 1
    fi
    echo "$target: $(grep --text '^Done' "$log")"
done
