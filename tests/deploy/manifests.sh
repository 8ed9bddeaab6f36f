#!/bin/bash
# The Kubernetes manifest and the compose file against their schemas, which come with two Python packages (into target/deploy-venv),
# and against what they promise (samples.py). PROGRAM: the qrgate to try them with; redis-server is needed too.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=target/deploy-venv
if [ ! -e "$venv/made" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet kubernetes-validate==1.37.0 check-jsonschema==0.39.0
    touch "$venv/made"
fi
"$venv/bin/kubernetes-validate" --strict deploy/kubernetes/sidecar.yaml
"$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/container/compose.yaml
program=${PROGRAM:-target/debug/qrgate}
[ -e "$program" ] || cargo build --locked
"$venv/bin/python" tests/deploy/samples.py "$program" deploy/kubernetes/sidecar.yaml deploy/container/compose.yaml
