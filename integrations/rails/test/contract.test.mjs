// The hook contract, with each way to sign people in and each kind of session, on two processes of Puma.

import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { message, newId, newSecret, now, post, sign } from '../../../tests/conformance/calls.mjs';
import { holdsTheContract } from '../../../tests/conformance/contract.mjs';
import { responds, freePort, start as startServer } from '../../../tests/browser/lib/process.mjs';

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const FEATURES = { rotating: true, version: 1, administrator: true, authTime: true, stay: true };

/** Starts test/config.ru; returns what tests/conformance/contract.mjs needs. */
async function start({ ACCOUNTS, SESSIONS, cookie = '_notes_session', at = '' }) {
  const DATA = mkdtempSync(path.join(tmpdir(), 'qrgate-rails-'));
  mkdirSync(path.join(DATA, 'tmp'));
  const [secret, oldSecret, port] = [newSecret(), newSecret(), await freePort()];
  const origins = ['http://localhost:8080', 'https://app.example.com'];
  const env = { ...process.env, ACCOUNTS, SESSIONS, DATA, QRGATE_HOOK_SECRET: `${oldSecret} ${secret}`, QRGATE_ORIGINS: origins.join(' ') };
  const url = `http://127.0.0.1:${port}`;
  const running = await startServer('puma', ['--quiet', '--preload', '--workers', '2', '--threads', '2:2', '--bind', `tcp://127.0.0.1:${port}`, 'config.ru'], {
    cwd: FOLDER, env, ready: () => responds(url),
  });
  const hook = (name) => `${at}/_qr/${name}`;
  return {
    url, whoami: hook('whoami'), login: hook('login'), revoke: hook('revoke'), cookie, origins, secret, oldSecret,
    users: { active: '1', other: '2', inactive: '3', unknown: '999', administrator: '4' }, output: running.output,
    stop: async () => { await running.stop(); rmSync(DATA, { recursive: true, force: true, maxRetries: 5 }); },
  };
}

for (const ACCOUNTS of ['plain', 'devise']) {
  describe(`${ACCOUNTS}, sessions in the cookie`, () => holdsTheContract(() => start({ ACCOUNTS, SESSIONS: 'cookie_store' }), FEATURES));
  describe(`${ACCOUNTS}, sessions in the cache`, () => {
    holdsTheContract(() => start({ ACCOUNTS, SESSIONS: 'cache_store' }), { ...FEATURES, revoke: true });
  });
}

describe('a password that Devise has checked', () => {
  let app;
  before(async () => { app = await start({ ACCOUNTS: 'devise', SESSIONS: 'cookie_store' }); });
  after(() => app?.stop());

  test('is the time of authentication', async () => {
    const form = (password) => fetch(`${app.url}/password`, {
      method: 'POST', redirect: 'manual', body: new URLSearchParams({ 'user[email]': 'ana@example.com', 'user[password]': password }),
    });
    assert.notEqual((await form('wrong')).status, 204);
    const cookie = (await form('ana')).headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
    const { user_id, auth_time } = await (await fetch(app.url + app.whoami, { headers: { cookie } })).json();
    assert.equal(user_id, '1');
    assert.ok(Math.abs(auth_time - now()) < 60, `${auth_time}`);
  });
});

describe('what Rails 8 generates', () => {
  // A session of this kind belongs to an account without the notion of "active".
  holdsTheContract(() => start({ ACCOUNTS: 'generated', SESSIONS: 'cookie_store', cookie: 'session_id' }), { ...FEATURES, revoke: true });
});

describe('pages of the application', () => {
  let app;
  before(async () => { app = await start({ ACCOUNTS: 'plain', SESSIONS: 'cookie_store' }); });
  after(() => app?.stop());

  async function signIn(fields) {
    const [id, timestamp, body] = [newId(), now(), message(app, fields)];
    const answer = await post(app.url + app.login, {
      'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': sign(app.secret, id, timestamp, body),
    }, body);
    return answer.cookies[0].split(';')[0];
  }

  test('have the button and the link, with what they are given escaped', async () => {
    const text = await (await fetch(app.url)).text();
    assert.match(text, /<form method="post" action="\/qr\/"><button>Sign in on your phone<\/button><\/form>/);
    assert.match(text, /<a href="\/qr\/code\/\?next=%2Fa%3Fb">Sign in with your phone<\/a>/);
    assert.match(text, /<a href="\/qr\/code\/\?next=%2F">&lt;<\/a>/);
  });

  test('keep the length that the person chose, each time the session is written', async () => {
    const cookie = await signIn({ stay: 3600 });
    const [line] = (await fetch(app.url, { headers: { cookie } })).headers.getSetCookie();
    const seconds = (Date.parse(line.match(/expires=([^;]+)/i)[1]) - Date.now()) / 1000;
    assert.ok(seconds > 3500 && seconds < 3700, line);
    const [plain] = (await fetch(app.url, { headers: { cookie: await signIn({}) } })).headers.getSetCookie();
    assert.doesNotMatch(plain, /expires=/i);
  });

  test('the log says that only the processes of one computer share the accepted calls', () => {
    assert.match(app.output(), /qrgate: Rails\.cache is ActiveSupport::Cache::FileStore, which cannot keep the accepted calls/);
  });
});
