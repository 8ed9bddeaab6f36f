#!/bin/bash
# Builds the package and runs its unit tests with the wheel: oldest and newest Django, Django's own user model and another.
set -euo pipefail
cd "$(dirname "$0")"
target=$(cd ../.. && pwd)/target
built=$target/packages/django

rm -rf "$built"
"$target/build-venv/bin/python" -m build --no-isolation --outdir "$built" . > /dev/null
"$target/build-venv/bin/pip" install --quiet --no-deps --no-index --target "$built/site" "$built"/*.whl
[ "$(find "$built/site/qrgate_django/locale" -name django.mo | wc -l)" = 5 ]
for name in LICENSE-MIT LICENSE-APACHE; do cmp "$name" "../../$name"; done

for venv in oldest django; do
    python=$target/$venv-venv/bin/python
    for user in auth.User people.Member; do
        echo "Django $("$python" -m django --version), $user"
        PYTHONPATH=$built/site:. USER_MODEL=$user "$python" -W error::DeprecationWarning -m django test --settings tests.settings
    done
done
