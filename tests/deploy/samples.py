"""The samples are safe as they are: nothing starts before it is edited, and the edited files work.

Run by manifests.sh: samples.py QRGATE KUBERNETES COMPOSE
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time

import yaml

PROGRAM, KUBERNETES, COMPOSE = sys.argv[1:]
PASSWORD = secrets.token_hex(32)


def holds(sentence, fact, more=''):
    if not fact:
        sys.exit(f'not so: {sentence}\n{more}')
    print(f'ok: {sentence}')


def run(words, **variables):
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **variables})
    return done.returncode, done.stdout + done.stderr


def secret():
    return subprocess.check_output([PROGRAM, 'secret'], text=True).strip()


def with_redis(script, check, **variables):
    """Runs the script of a sample at a free port, and `check` with that port."""
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    script = script.replace('port 6379', f'port {port}\nbind 127.0.0.1')
    server = subprocess.Popen(['sh', '-c', script], env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        check(port)
    finally:
        server.terminate()
        server.wait()


def store_works(url, port, **variables):
    """Checks that qrgate, with the address of a sample, may do what it needs, and that nobody else may do anything."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'proxy.toml')
        with open(file, 'w') as out:
            out.write('[application]\nurl = "http://127.0.0.1:1"\n')
        url = url.replace('@redis:6379', f'@127.0.0.1:{port}')
        _, said = run([PROGRAM, 'check', '--config', file], QRGATE_STORE__URL=url, QRGATE_TICKETS__SECRET=secret(), **variables)
        holds('qrgate may do at this Redis what it needs', 'ok    store' in said, said)
    _, said = run(['redis-cli', '-p', str(port), 'ping'])
    holds('nobody may do anything there without the password', 'NOAUTH' in said, said)
    _, said = run(['redis-cli', '-p', str(port), '--user', 'qrgate', '--pass', PASSWORD, '--no-auth-warning', 'config', 'get', '*'])
    holds('its user may not configure it', 'NOPERM' in said, said)


def check_kubernetes():
    parts = list(yaml.safe_load_all(open(KUBERNETES)))
    by_kind = {(part['kind'], part['metadata']['name']): part for part in parts}
    placeholders = by_kind['Secret', 'qrgate']['stringData']
    toml = by_kind['ConfigMap', 'qrgate']['data']['proxy.toml']
    pod = by_kind['Deployment', 'application']['spec']['template']
    qrgate = next(one for one in pod['spec']['containers'] if one['name'] == 'qrgate')
    url = next(one['value'] for one in qrgate['env'] if one['name'] == 'QRGATE_STORE__URL')
    key_of = {one['name']: one['valueFrom']['secretKeyRef']['key'] for one in qrgate['env'] if 'valueFrom' in one}

    def offline(toml, values):
        variables = {name: values[key] for name, key in key_of.items()}
        variables['QRGATE_STORE__URL'] = url.replace('$(REDIS_PASSWORD)', variables['REDIS_PASSWORD'])
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, 'proxy.toml')
            with open(file, 'w') as out:
                out.write(toml)
            return run([PROGRAM, 'check', '--offline', '--config', file], **variables)

    good = {'hook': secret(), 'ticket': secret(), 'redis-password': PASSWORD}
    edited = toml.replace('replace with the addresses of the ingress controller', '10.9.8.0/28')
    code, said = offline(edited, good)
    holds('edited, the Kubernetes sample is right', code == 0, said)
    code, said = offline(toml, good)
    holds('it does not start before the trusted addresses are named', code == 2 and '`trusted_proxies`' in said, said)
    for key in placeholders:
        code, said = offline(edited, {**good, key: placeholders[key]})
        holds(f'it does not start with the placeholder of {key}', code == 2, said)
    holds('no pod network is trusted as a whole', '/8"' not in toml)

    policies = {name: part['spec'] for (kind, name), part in by_kind.items() if kind == 'NetworkPolicy'}
    labels = pod['metadata']['labels']
    guarded = policies['application']
    holds("a policy selects qrgate's pods", guarded['podSelector']['matchLabels'] == labels and 'Ingress' in guarded['policyTypes'])
    for rule in guarded['ingress']:
        holds('each of its rules names who may come, and to which port', rule.get('from') and rule.get('ports'))
    ports = [port['port'] for rule in guarded['ingress'] for port in rule['ports']]
    holds('qrgate and its admin listener are reached, the application is not', sorted(ports) == [8080, 9180])
    redis = by_kind['Deployment', 'redis']['spec']['template']
    guarded = policies['redis']
    holds('a policy selects Redis', guarded['podSelector']['matchLabels'] == redis['metadata']['labels'])
    holds("qrgate's pods alone reach Redis", guarded['ingress'] == [{'from': [{'podSelector': {'matchLabels': labels}}], 'ports': [{'port': 6379}]}])
    holds('Redis reaches nothing', guarded['egress'] == [] and 'Egress' in guarded['policyTypes'])

    script = redis['spec']['containers'][0]['args'][0]
    code, said = run(['sh', '-c', script], REDIS_PASSWORD=placeholders['redis-password'])
    holds('Redis does not start with the placeholder', code == 1 and 'openssl rand' in said, said)
    url = url.replace('$(REDIS_PASSWORD)', PASSWORD)
    with_redis(script, lambda port: store_works(url, port), REDIS_PASSWORD=PASSWORD)


def check_compose():
    services = (compose := yaml.safe_load(open(COMPOSE)))['services']
    qrgate, redis, application = services['qrgate'], services['redis'], services['application']
    variables = qrgate['environment']
    holds('the address of Redis is a secret', 'QRGATE_STORE__URL' not in variables and 'QRGATE_STORE__URL_FILE' in variables)
    holds("the admin listener is the container's own", variables['QRGATE_LISTEN__ADMIN'].startswith('127.0.0.1:'))
    holds('Redis is in a private network', redis['networks'] == ['store'] and compose['networks']['store']['internal'])
    holds('the application cannot reach Redis', 'store' not in application['networks'] and 'store' in qrgate['networks'])
    holds('only qrgate is published', [name for name, one in services.items() if one.get('ports')] == ['qrgate'])
    for name in ('qrgate', 'redis'):
        one = services[name]
        holds(f'{name} is read-only and has no rights', one['read_only'] and one['cap_drop'] == ['ALL'])
    script = redis['command'][2].replace('$$', '$')
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'redis')
        script = script.replace('/run/secrets/redis', file)
        code, _ = run(['sh', '-c', script])
        holds('Redis does not start without a password', code == 1)
        with open(file, 'w') as out:
            out.write(PASSWORD + '\n')
        with_redis(script, lambda port: store_works(f'redis://qrgate:{PASSWORD}@redis:6379/0', port))


check_kubernetes()
check_compose()
