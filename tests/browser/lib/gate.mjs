// qrgate itself, in front of an example: the binary that cargo built, with a proxy.toml made for the test.

import { execFileSync } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, connects, freePort, start, temporaryFolder } from './process.mjs';

/** The qrgate under test. */
export const BINARY = process.env.QRGATE ?? path.join(ROOT, 'target/debug/qrgate');

/**
 * Starts qrgate in front of `app`.
 *
 * - `host`: the name browsers use; `localhost` and `*.local` need no `public.url`, any other name gets one
 * - `https`: whether qrgate speaks TLS, with a self-signed certificate
 * - `port`: the one that the application expects, or a free one
 * - `front`: starts a proxy in front: `{ port, https, to(gatePort), stop() }`. Browsers connect to it, and qrgate trusts it
 * - `sections`: further settings, `{ tickets: { approval: 'phone' } }`
 */
export async function startGate(app, { host = 'localhost', https = false, port, front, sections = {} } = {}) {
  const { folder, remove } = await temporaryFolder();
  port ??= app.gatePort ?? await freePort();
  const before = await front?.();
  const { origin } = new URL(`${https || before?.https ? 'https' : 'http'}://${host}:${before?.port ?? port}`);
  await copyFile(app.secretFile, path.join(folder, 'hook.secret'));
  const settings = {
    listen: { address: `127.0.0.1:${port}`, admin: 'off' },
    ...(/^localhost$|\.local$/.test(host) ? {} : { public: { url: origin } }),
    application: { url: app.url },
    identify: { session_cookies: [app.cookie], path: app.whoami, login_url: `${app.form}?next={return}` },
    login: { path: app.login, secret_file: 'hook.secret' },
    pages: { site: 'Notes' },
    limits: { codes_per_user: '1000/1m' },
  };
  if (before) settings.public = { url: origin, trusted_proxies: ['127.0.0.1'] };
  if (https) {
    certificate(folder, host);
    settings['listen.tls'] = { certificate: 'certificate.pem', key: 'key.pem' };
  }
  for (const [name, keys] of Object.entries(sections)) settings[name] = { ...settings[name], ...keys };
  const file = path.join(folder, 'proxy.toml');
  await writeFile(file, toml(settings));
  const running = await start(BINARY, ['--config', file], { ready: () => connects(port), within: 20_000 });
  await before?.to(port);
  const stop = async () => { await before?.stop(); await running.stop(); await remove(); };
  return { origin, port, front: before, output: running.output, signal: running.signal, stop };
}

/** Settings as TOML, whose strings, numbers, booleans and lists can be written as in JSON. */
function toml(settings) {
  return Object.entries(settings)
    .map(([section, keys]) => `[${section}]\n` + Object.entries(keys).map(([k, v]) => `${k} = ${JSON.stringify(v)}\n`).join(''))
    .join('\n');
}

/** Makes `certificate.pem` and `key.pem` for a host, in a folder. */
export function certificate(folder, host) {
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${host}`,
    '-addext', `subjectAltName=DNS:${host}`, '-keyout', 'key.pem', '-out', 'certificate.pem',
  ], { cwd: folder, stdio: 'ignore' });
}
