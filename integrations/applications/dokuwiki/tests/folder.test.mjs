// The hooks of a wiki in a folder, /wiki/, with several processes: WIKI is the folder that tests/wiki.sh made, and has the plugin.

import assert from 'node:assert/strict';
import { appendFile, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { responds, freePort, start } from '../../../../tests/browser/lib/process.mjs';
import { message, newId, newSecret, now, post, sign } from '../../../../tests/conformance/calls.mjs';
import { holdsTheContract } from '../../../../tests/conformance/contract.mjs';

const site = process.env.WIKI;
const hook = (name) => `/wiki/lib/plugins/qrgate/hooks/${name}.php`;
let app;

before(async () => {
  const [secret, oldSecret, port] = [newSecret(), newSecret(), await freePort()];
  const origins = ['http://localhost:8080', 'https://wiki.example.com'];
  await appendFile(path.join(site, 'conf/local.php'), `
$conf['plugin']['qrgate']['secret'] = '${oldSecret} ${secret}';
$conf['plugin']['qrgate']['origins'] = '${origins.join(' ')}';
`);
  const url = `http://127.0.0.1:${port}`;
  const env = { PHP_CLI_SERVER_WORKERS: '4' };
  const server = await start('php', ['-c', `${site}/php.ini`, '-S', `127.0.0.1:${port}`, '-t', site], { env, ready: () => responds(url) });
  const users = { active: 'ana', other: 'bob', inactive: 'cleo', unknown: 'nobody', administrator: 'admin' };
  const paths = { whoami: hook('whoami'), login: hook('login'), revoke: hook('revoke') };
  app = { url, ...paths, cookie: 'DW*', origins, secret, oldSecret, users, stop: () => {}, server };
});
after(() => app?.server.stop());

const contract = { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true };
describe('a wiki in a folder', () => holdsTheContract(() => app, contract));

/** Calls the login hook for ana. */
function login(fields = {}) {
  const [id, timestamp, body] = [newId(), now(), message(app)];
  const signature = sign(app.secret, id, timestamp, body);
  return post(app.url + app.login, { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature, ...fields }, body);
}

const pairs = (lines) => lines.map((line) => line.split(';')[0]).join('; ');

test('the cookies are for the folder, and Secure where people use https', async () => {
  for (const line of (await login()).cookies) assert.match(line, /path=\/wiki\/(?!.*secure).*httponly/i);
  for (const line of (await login({ 'x-forwarded-proto': 'https' })).cookies) assert.match(line, /path=\/wiki\/.*secure.*httponly/i);
});

test('whoami leaves a session with a password as it is, and responds with the time of the password', async () => {
  const form = 'do=login&u=bob&p=bob';
  const fields = { 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'Firefox' };
  const { cookies } = await post(`${app.url}/wiki/doku.php`, fields, form);
  const cookie = pairs(cookies.filter((line) => !line.includes('deleted')));
  const [, id] = cookie.match(/DokuWiki=(\w+)/);
  const file = path.join(site, 'sessions', `sess_${id}`);
  assert.ok((await readdir(path.join(site, 'sessions'))).includes(`sess_${id}`));
  const session = await readFile(file, 'utf8');
  const answer = await fetch(app.url + app.whoami, { headers: { cookie } });
  const { user_id, auth_time } = await answer.json();
  assert.equal(user_id, 'bob');
  assert.ok(Math.abs(auth_time - now()) < 60);
  assert.deepEqual(answer.headers.getSetCookie(), []);
  assert.equal(await readFile(file, 'utf8'), session);
});
