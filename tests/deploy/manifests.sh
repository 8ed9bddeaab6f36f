#!/bin/bash
# Validates the Kubernetes manifests, the compose files, the workflows and the bill of materials against their schemas, which come
# with Python and npm packages (in target/deploy-venv and target/deploy-node), and tests their behaviour (samples.py). PROGRAM is the
# qrgate to use; needs redis-server and nginx, too.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=target/deploy-venv
if [ ! -e "$venv/made-3" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet kubernetes-validate==1.37.0 check-jsonschema==0.39.0 podman-compose==1.6.0 \
        'cyclonedx-python-lib[json-validation]==11.12.0'
    touch "$venv/made-3"
fi
node=target/deploy-node
[ -e "$node/node_modules/@kubernetes-models/gateway-api" ] ||
    npm install --silent --no-save --prefix "$node" @kubernetes-models/gateway-api@2.0.0
schema() { "$venv/bin/check-jsonschema" --builtin-schema "$@"; }

"$venv/bin/kubernetes-validate" --strict deploy/kubernetes/sidecar.yaml
"$venv/bin/python" - "$PWD/$node" <<'PYTHON'
# kubernetes-validate does not know the kind of the routes. The base must list all manifests.
import json, pathlib, subprocess, sys, yaml
folder = pathlib.Path('deploy/kubernetes')
base = yaml.safe_load((folder / 'kustomization.yaml').read_text())
assert sorted(base['resources']) == sorted(file.name for file in folder.glob('*.yaml') if file.name != 'kustomization.yaml')
services = {part['metadata']['name'] for part in yaml.safe_load_all((folder / 'sidecar.yaml').read_text()) if part['kind'] == 'Service'}
for route in yaml.safe_load_all((folder / 'gateway.yaml').read_text()):
    named = {backend['name'] for rule in route['spec']['rules'] for backend in rule.get('backendRefs', [])}
    assert named <= services, f'{named - services}: no such Service'
    script = '''
        const { HTTPRoute } = require("./node_modules/@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1");
        new HTTPRoute(JSON.parse(require("fs").readFileSync(0))).validate();'''
    subprocess.run(['node', '-e', script], cwd=sys.argv[1], input=json.dumps(route), text=True, check=True)
    print(f"ok: the HTTPRoute {route['metadata']['name']}")
PYTHON

schema vendor.github-workflows .github/workflows/*.yml
schema vendor.compose-spec deploy/container/compose.yaml
merged=$(mktemp --suffix .yaml)
trap 'rm -f "$merged"' EXIT
for front in traefik nginx-proxy-manager swag; do
    HOST=app.example.com MAIL=admin@example.com "$venv/bin/podman-compose" \
        --file deploy/container/compose.yaml --file "deploy/container/compose.$front.yaml" config > "$merged"
    schema vendor.compose-spec "$merged"
    "$venv/bin/python" - "$merged" "$front" <<'PYTHON'
# Behind a proxy qrgate publishes no port, and trusts only the proxy's address.
import json, sys, yaml
file, front = sys.argv[1:]
services = yaml.safe_load(open(file))['services']
qrgate = services['qrgate']
[proxy] = [one for name, one in services.items() if name not in ('qrgate', 'redis', 'application')]
assert not qrgate.get('ports'), qrgate['ports']
address = proxy['networks']['proxy']['ipv4_address']
assert json.loads(qrgate['environment']['QRGATE_PUBLIC__TRUSTED_PROXIES']) == [address]
application = services['application']
assert 'proxy' not in application['networks'], 'the application could pass for the proxy'
assert application['environment']['QRGATE_ORIGINS'] == qrgate['environment']['QRGATE_PUBLIC__URL'] == 'https://app.example.com'
print(f'ok: behind {front} qrgate trusts {address}')
PYTHON
done

# nginx reads the two configurations; only the files and names that exist in those images are replaced.
folder=$(mktemp -d)
trap 'rm -rf "$merged" "$folder"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=app -keyout "$folder/key" -out "$folder/certificate" 2> /dev/null
replaced() { sed "s|http://qrgate:8080|http://127.0.0.1:8080|; s|include /config/nginx/ssl.conf;|ssl_certificate $folder/certificate; ssl_certificate_key $folder/key;|" "$1"; }
for file in swag nginx-proxy-manager; do
    {
        echo "pid $folder/pid; error_log stderr; events {} http { access_log off;"
        if [ "$file" = swag ]; then replaced deploy/container/swag.conf; else echo 'server { listen 127.0.0.1:8081;' && replaced deploy/container/nginx-proxy-manager.conf && echo '}'; fi
        echo '}'
    } > "$folder/nginx.conf"
    nginx -t -q -p "$folder" -c "$folder/nginx.conf"
    echo "ok: nginx reads $file.conf"
done

program=${PROGRAM:-target/debug/qrgate}
[ -e "$program" ] || cargo build --locked
deploy/bill.py > "$folder/bill"
"$venv/bin/python" - "$folder/bill" "$program" <<'PYTHON'
# The bill is valid, and has every crate whose source the program names in its messages and debug information.
import json, pathlib, re, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
bill, program = [pathlib.Path(name) for name in sys.argv[1:]]
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill.read_text())
assert error is None, error
listed = {f'{crate["name"]}-{crate["version"]}' for crate in json.loads(bill.read_text())['components']}
named = {match.decode() for match in re.findall(rb'/registry/src/[^/\0]+/([\w.+-]+)/', program.read_bytes())}
assert len(named) > 20 and named <= listed, named - listed
print(f'ok: the bill of materials lists {len(listed)} crates, and all {len(named)} that the program names')
PYTHON
"$venv/bin/python" tests/deploy/samples.py "$program" deploy/kubernetes/sidecar.yaml deploy/container/compose.yaml
