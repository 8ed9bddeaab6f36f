#!/bin/bash
# Builds the package and runs its tests with the wheel: oldest and newest JupyterHub.
set -euo pipefail
cd "$(dirname "$0")"
target=$(cd ../../.. && pwd)/target
built=$target/packages/jupyterhub

rm -rf "$built"
"$target/build-venv/bin/python" -m build --no-isolation --outdir "$built" . > /dev/null
"$target/build-venv/bin/pip" install --quiet --no-deps --no-index --target "$built/site" "$built"/*.whl
for name in LICENSE-MIT LICENSE-APACHE; do cmp "$name" "../../../$name"; done
for name in signed.py words.py; do cmp "src/qrgate_jupyterhub/$name" "../../flask/src/qrgate_flask/$name"; done

for venv in jupyterhub-oldest jupyterhub; do
    python=$target/$venv-venv/bin/python
    "$python" -c 'from importlib.metadata import version; print("JupyterHub", version("jupyterhub"))'
    PYTHONPATH=$built/site:$PWD PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest --quiet -p no:cacheprovider tests
done
