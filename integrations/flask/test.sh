#!/bin/bash
# Builds the package and runs its unit tests with the wheel: oldest and newest Flask.
set -euo pipefail
cd "$(dirname "$0")"
target=$(cd ../.. && pwd)/target
built=$target/packages/flask

rm -rf "$built"
"$target/build-venv/bin/python" -m build --no-isolation --outdir "$built" . > /dev/null
"$target/build-venv/bin/pip" install --quiet --no-deps --no-index --target "$built/site" "$built"/*.whl
for name in LICENSE-MIT LICENSE-APACHE; do cmp "$name" "../../$name"; done
for file in signed.py static/button.css; do # what both Python packages have
    there=../django/src/qrgate_django
    cmp "src/qrgate_flask/$file" "$([ "$file" = signed.py ] && echo $there/$file || echo $there/static/qrgate_django/button.css)"
done

for venv in oldest newest; do
    python=$target/$venv-venv/bin/python
    "$python" -c 'from importlib.metadata import version; print("Flask", version("flask"))'
    PYTHONPATH=$built/site:. "$python" -m unittest discover --start-directory tests --top-level-directory .
done
