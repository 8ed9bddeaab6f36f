#!/usr/bin/env python3
"""Prints the bill of materials (CycloneDX 1.5): the crates in the program, as `cargo build` makes it on this machine.

`cargo tree` leaves out what is switched off. Generators that read `cargo metadata` also list crates behind optional features.
SOURCE_DATE_EPOCH is the time in the bill.
"""

import datetime
import json
import os
import re
import subprocess
import tomllib

WORDS = ['--locked', '--edges', 'normal', '--prefix', 'depth', '--format', '\t{p}\t{l}']
tree = subprocess.run(['cargo', 'tree', *WORDS], check=True, capture_output=True, text=True).stdout
with open('Cargo.lock', 'rb') as file:
    checksums = {(crate['name'], crate['version']): crate.get('checksum') for crate in tomllib.load(file)['package']}

crates, needs, above = {}, {}, []
for line in tree.splitlines():
    depth, package, licence = line.removesuffix(' (*)').split('\t')
    name, version = re.match(r'(\S+) v(\S+)', package).groups()
    ref = f'pkg:cargo/{name}@{version}'
    crates[ref] = crate = {'type': 'library', 'bom-ref': ref, 'name': name, 'version': version, 'purl': ref}
    crate['licenses'] = [{'expression': re.sub(' */ *', ' OR ', licence)}]
    if checksum := checksums[name, version]:
        crate['hashes'] = [{'alg': 'SHA-256', 'content': checksum}]
    above[int(depth):] = [ref]
    needs.setdefault(ref, set())
    if len(above) > 1:
        needs[above[-2]].add(ref)

program = next(iter(crates.values())) | {'type': 'application'}
time = datetime.datetime.fromtimestamp(int(os.environ.get('SOURCE_DATE_EPOCH', 0)), datetime.UTC)
print(json.dumps({
    'bomFormat': 'CycloneDX',
    'specVersion': '1.5',
    'version': 1,
    'metadata': {'timestamp': time.isoformat(), 'component': program},
    'components': [crate for ref, crate in sorted(crates.items()) if ref != program['bom-ref']],
    'dependencies': [{'ref': ref, 'dependsOn': sorted(under)} for ref, under in sorted(needs.items())],
}, indent=1))
