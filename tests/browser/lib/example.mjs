// The applications under examples/, each started by its own run.sh, with its data in a temporary folder.

import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newSecret } from '../../conformance/calls.mjs';
import { ROOT, responds, freePort, start, temporaryFolder } from './process.mjs';

/** Where each example keeps its two hooks, and its sign-in page. */
export const EXAMPLES = {
  django: {
    whoami: '/_qr/whoami',
    login: '/_qr/login',
    revoke: '/_qr/revoke',
    form: '/login/',
    cookie: 'sessionid',
    users: { administrator: '4' },
    features: { version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  },
  express: {
    whoami: '/_qr/whoami',
    login: '/_qr/login',
    revoke: '/_qr/revoke',
    form: '/login',
    cookie: 'connect.sid',
    features: { version: 1, authTime: true, stay: true, revoke: true },
  },
  php: {
    whoami: '/_qr.php/whoami',
    login: '/_qr.php/login',
    revoke: '/_qr.php/revoke',
    form: '/login.php',
    cookie: 'PHPSESSID',
    features: { version: 1, authTime: true, stay: true, revoke: true },
  },
  flask: {
    whoami: '/_qr/whoami',
    login: '/_qr/login',
    form: '/login',
    cookie: 'session',
    features: { version: 1, authTime: true, stay: true },
  },
  rails: {
    whoami: '/_qr/whoami',
    login: '/_qr/login',
    revoke: '/_qr/revoke',
    form: '/session/new',
    cookie: '_notes_session',
    features: { version: 1, authTime: true, stay: true, revoke: true },
  },
  wordpress: {
    whoami: '/_qr/whoami',
    login: '/_qr/login',
    form: '/wp-login.php',
    revoke: '/_qr/revoke',
    cookie: 'wordpress_logged_in_*',
    users: { administrator: '4' },
    features: { version: 1, administrator: true, authTime: true, stay: true, revoke: true },
    fields: { name: '#user_login', password: '#user_pass', button: '#wp-submit' },
  },
};

/** Where the tests see an example whose gate is at `port`; and where `qrgate check` sees it. */
const originsAt = (port) => [
  ...[`http://localhost:${port}`, `http://notes.local:${port}`, `https://notes.example.com:${port}`, 'https://notes.example.com'],
  ...['http://127.0.0.1:8080', 'https://notes.localhost:1'],
];

/**
 * Starts one. Gives its `url`, `port`, the secret file, and `stop()`. `gatePort` is the port at which it expects
 * its gate, and `origins` are those for which its login hook accepts calls. With `edits`, `[file, from, to]` each, it is a copy
 * of the example with exactly these changes. With `rotating` the application has two secrets: `oldSecret` and `secret`; without,
 * it gets the secret in its environment instead of in a file.
 */
export async function startExample(name, { edits, venv = name, rotating = false } = {}) {
  const { folder, remove } = await temporaryFolder();
  const examples = edits ? await spoilt(name, edits, folder) : path.join(ROOT, 'examples');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const gatePort = await freePort();
  const origins = originsAt(gatePort);
  const secretFile = path.join(folder, 'hook.secret');
  const [secret, oldSecret] = [newSecret(), newSecret()];
  await writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
  if (rotating) await writeFile(`${secretFile}s`, `${oldSecret}\n${secret}\n`, { mode: 0o600 });
  const running = await start(path.join(examples, name, 'run.sh'), [], {
    env: {
      PORT: String(port),
      DATA: path.join(folder, 'data'),
      ...(rotating ? { HOOK_SECRET_FILE: `${secretFile}s` } : { QRGATE_HOOK_SECRET: secret, HOOK_SECRET_FILE: secretFile }),
      QRGATE_ORIGINS: origins.join(' '),
      VENV: path.join(ROOT, `target/${venv}-venv`), // of those in Python
      PHP_CLI_SERVER_WORKERS: '4', // several processes, to race for one call
    },
    ready: () => responds(url),
  });
  const stop = async () => { await running.stop(); await remove(); };
  return { name, url, port, secret, oldSecret, secretFile, origins, gatePort, ...EXAMPLES[name], output: running.output, stop };
}

/** A copy of the examples in which one is changed. */
async function spoilt(name, edits, folder) {
  const copy = path.join(folder, 'examples');
  const isSource = (file) => !/\/(node_modules|data|tmp|\.venv)$/.test(file);
  await cp(path.join(ROOT, 'examples'), copy, { recursive: true, filter: isSource });
  await symlink(path.join(ROOT, 'examples/express/node_modules'), path.join(copy, 'express/node_modules'));
  await symlink(path.join(ROOT, 'integrations'), path.join(folder, 'integrations'));
  for (const [file, from, to] of edits) {
    const text = await readFile(path.join(copy, name, file), 'utf8');
    if (!text.includes(from)) throw new Error(`${file} of the ${name} example has no ${from}`);
    await writeFile(path.join(copy, name, file), text.replace(from, () => to));
  }
  return copy;
}
