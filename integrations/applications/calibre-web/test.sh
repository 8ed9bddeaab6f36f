#!/bin/bash
# Builds the package and runs its unit tests with the wheel, in Calibre-Web itself.
set -euo pipefail
cd "$(dirname "$0")"
target=$(cd ../../.. && pwd)/target
built=$target/packages/calibre-web

rm -rf "$built"
for source in ../../flask .; do
    "$target/build-venv/bin/python" -m build --no-isolation --outdir "$built" "$source" > /dev/null
done
"$target/build-venv/bin/pip" install --quiet --no-deps --no-index --target "$built/site" "$built"/*.whl
for name in LICENSE-MIT LICENSE-APACHE; do cmp "$name" "../../../$name"; done
PYTHONPATH=$built/site "$target/calibre-web-venv/bin/python" -m unittest discover --start-directory tests --top-level-directory tests
