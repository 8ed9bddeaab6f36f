// Pebble, the ACME server that Let's Encrypt tests clients with, as the authority of a site on this machine.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import path from 'node:path';
import { connects, freePort, start, temporaryFolder } from './process.mjs';

/** The program of this name, if it is installed. */
const installed = (name) => (process.env.PATH ?? '').split(':').some((folder) => existsSync(path.join(folder, name)));

/** The programs that are missing here, as the reason to skip a test; or `false`. */
export function missing() {
  const names = ['pebble', 'pebble-challtestsrv', 'certutil'].filter((name) => !installed(name));
  return names.length > 0 && `not installed: ${names.join(', ')}; tests/setup.sh installs what the tests need`;
}

/**
 * Starts an authority that validates each domain at 127.0.0.1: at port `https` by TLS-ALPN-01, and at `http` by HTTP-01.
 *
 * - `life`: of its certificates, in seconds
 * - `http`, and `dns` of a resolver to which every name is this machine; without them, free ports
 *
 * Gives both ports; the URL of its `directory`, and the file `ca` that vouches for the directory's TLS; `root` (PEM), from which
 * its certificates come, and `home` (for `launch`), where Chromium trusts it; `stop()`, and `remove()`, which also removes the files.
 */
export async function startPebble({ https, http, dns, life }) {
  const { folder, remove } = await temporaryFolder();
  http ??= await freePort();
  dns ??= await freePort();
  const [port, management] = [await freePort(), await freePort()];
  const at = (name) => path.join(folder, name);
  certificates(folder);
  await writeFile(at('pebble.json'), JSON.stringify({
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: at('certificate.pem'),
      privateKey: at('key.pem'),
      httpPort: http,
      tlsPort: https,
      certificateValidityPeriod: life,
    },
  }));
  const off = ['http01', 'https01', 'tlsalpn01', 'defaultIPv6'].flatMap((name) => [`-${name}`, '']);
  const ports = ['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${await freePort()}`]; // without an address it takes port 80
  const names = await start('pebble-challtestsrv', [...off, ...ports], { ready: () => connects(dns), within: 20_000 });
  const authority = await start('pebble', ['-config', at('pebble.json'), '-dnsserver', `127.0.0.1:${dns}`], {
    // It validates at once, and does not refuse nonces at random.
    env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' },
    ready: async () => (await connects(port)) && connects(management),
    within: 20_000,
  }).catch(async (error) => { await names.stop(); throw error; });
  const { text: root } = await visit({ port: management, host: 'localhost', ca: await readFile(at('ca.pem')), path: '/roots/0' });
  await writeFile(at('root.pem'), root);
  await trust(at('root.pem'), at('home'));
  const stop = async () => { await authority.stop(); await names.stop(); };
  return {
    https, http, directory: `https://localhost:${port}/dir`, ca: at('ca.pem'), root, home: at('home'), stop,
    remove: async () => { await stop(); await remove(); },
  };
}

/** Makes `certificate.pem` and `key.pem` for `localhost`, and the authority they come from, `ca.pem`. */
function certificates(folder) {
  const openssl = (...words) => execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...words,
  ], { cwd: folder, stdio: 'ignore' });
  openssl('-subj', '/CN=authority', '-keyout', 'ca-key.pem', '-out', 'ca.pem');
  openssl(
    '-subj', '/CN=pebble', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE',
    '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-keyout', 'key.pem', '-out', 'certificate.pem',
  );
}

/** Makes a home folder in which Chromium finds this root. */
async function trust(root, home) {
  const database = path.join(home, '.pki/nssdb');
  await mkdir(database, { recursive: true });
  const certutil = (...words) => execFileSync('certutil', ['-d', `sql:${database}`, ...words], { stdio: 'ignore' });
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'pebble', '-t', 'C,,', '-i', root);
}

/**
 * GET over a new connection to 127.0.0.1, from a client that trusts only `ca`. Gives status, content and the serial number
 * of the certificate; fails if that is not valid now for the host.
 */
export function visit({ port, host, ca, path = '/' }) {
  return new Promise((done, failed) => {
    const options = { host: '127.0.0.1', port, path, ca, servername: host, agent: false, headers: { host: `${host}:${port}` } };
    get({ ...options, timeout: 10_000 }, async (response) => {
      try {
        const serial = response.socket.getPeerCertificate().serialNumber;
        done({ status: response.statusCode, serial, text: Buffer.concat(await response.toArray()).toString() });
      } catch (error) {
        failed(error);
      }
    }).on('error', failed).on('timeout', function tooSlow() { this.destroy(new Error('no response within 10 s')); });
  });
}
