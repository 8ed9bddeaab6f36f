// Tests beyond the contract: options, mistakes in mounting, stores of accepted calls, and the helpers for pages.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import express from 'express';
import { Redis } from 'ioredis';
import qrgate, { memoryReplay, redisReplay } from 'qrgate-express';
import { createClient } from 'redis';
import { Webhook } from 'standardwebhooks';
import { message, newId, newSecret, now, post, sign } from '../../../tests/conformance/calls.mjs';
import { ORIGINS, load, start } from './applications.mjs';

const require = createRequire(import.meta.url);
const FOLDER = path.dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname);
const given = { secret: newSecret(), origins: ORIGINS, load };

/** Calls the login hook with a good signature. */
function signIn(app, { body = message(app), id = newId(), signature = sign(app.secret, id, now(), body), ...fields } = {}) {
  return post(app.url + app.login, {
    'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(now()), 'webhook-signature': signature, ...fields,
  }, body);
}

/** Runs `use` with an application, and stops it. */
async function withApplication(options, use) {
  const app = await start(options);
  try { return await use(app); } finally { await app.stop(); }
}

test('a missing, short or malformed secret, and a missing or malformed origin, are refused at the start', () => {
  const short = `whsec_${Buffer.alloc(31).toString('base64')}`;
  for (const secret of [undefined, '', [], short, [newSecret(), short], 'whsec_', 'correct horse battery staple, forty characters']) {
    assert.throws(() => qrgate({ ...given, secret }), /qrgate: (no|a) secret/, String(secret));
  }
  for (const origins of [undefined, '', 'app.example.com', 'https://app.example.com/', 'https://app.example.com/blog']) {
    assert.throws(() => qrgate({ ...given, origins }), /origin/, String(origins));
  }
  assert.throws(() => qrgate({ ...given, sercet: '' }), /unknown option sercet/);
  qrgate({ ...given, secret: `${newSecret()} ${newSecret()}`, origins: ORIGINS.join(' ') });
});

test('secret and origins come from the environment, the secret also from a file', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'qrgate-express-'));
  const file = path.join(folder, 'hook.secret');
  writeFileSync(file, `${newSecret()}\n${newSecret()}\n`);
  const starts = (env) => execFileSync(process.execPath, ['-e', `require('${FOLDER}')()`], { env, stdio: 'pipe' });
  const QRGATE_ORIGINS = ORIGINS.join(' ');
  starts({ QRGATE_ORIGINS, QRGATE_HOOK_SECRET: newSecret() });
  starts({ QRGATE_ORIGINS, QRGATE_HOOK_SECRET_FILE: file });
  assert.throws(() => starts({ QRGATE_ORIGINS }), /no secret/);
  rmSync(folder, { recursive: true });
});

test('one of several processes refuses to keep accepted calls in its own memory', () => {
  const starts = (code, env = {}) => execFileSync(process.execPath, ['-e', code], { env, stdio: 'pipe' }).toString();
  const use = (replay) => `require('${FOLDER}')({ secret: '${newSecret()}', origins: 'http://localhost:8080', ${replay} })`;
  const shared = `replay: require('${FOLDER}').memoryReplay()`;
  assert.throws(() => starts(use(''), { NODE_APP_INSTANCE: '1' }), /one of several processes/);
  starts(use(''), { NODE_APP_INSTANCE: '0' });
  starts(use(shared), { NODE_APP_INSTANCE: '1' });
  const folder = mkdtempSync(path.join(tmpdir(), 'qrgate-express-'));
  const worker = (code) => {
    const file = path.join(folder, 'app.js');
    writeFileSync(file, `const cluster = require('node:cluster');
      if (cluster.isPrimary) cluster.fork().on('exit', (code) => console.log('exit', code));
      else { ${code}; process.exit(0); }`);
    return execFileSync(process.execPath, [file], { env: {}, stdio: 'pipe' }).toString();
  };
  assert.match(worker(`try { ${use('')} } catch { process.exit(7); }`), /exit 7/);
  assert.match(worker(use(shared)), /exit 0/);
  rmSync(folder, { recursive: true });
});

test('what the Standard Webhooks library signs is accepted', () => withApplication({}, async (app) => {
  const [id, body] = [newId(), message(app)];
  assert.equal((await signIn(app, { id, body, signature: new Webhook(app.secret).sign(id, new Date(), body) })).status, 200);
}));

test('a body parser that came first is named in the error', async () => {
  for (const version of ['express', 'express4']) {
    await withApplication({ version, mount: (app, express) => app.use(express.json()) }, async (app) => {
      assert.equal((await signIn(app)).status, 500);
      assert.match(app.errors[0], /Mount qrgate\(\) before express\.json\(\)/);
    });
  }
});

test('the raw content that a body parser kept is enough', async () => {
  const verify = (req, res, content) => { req.rawBody = content; };
  await withApplication({ mount: (app, express) => app.use(express.json({ verify })) }, async (app) => {
    assert.equal((await signIn(app)).status, 200);
  });
  await withApplication({ mount: (app, express) => app.use(express.raw({ type: '*/*' })) }, async (app) => {
    assert.equal((await signIn(app)).status, 200);
  });
});

test('content over 64 KiB is refused before it is checked', () => withApplication({}, async (app) => {
  const body = message(app, { phone: { label: 'x'.repeat(70_000) } });
  assert.equal((await signIn(app, { body })).status, 413);
}));

test('without a session in front, the error says where to mount it', async () => {
  const app = express().use(qrgate(given));
  let said;
  app.use((error, req, res, next) => { said = error.message; res.sendStatus(500); });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await fetch(`http://127.0.0.1:${server.address().port}/_qr/whoami`);
  assert.match(said, /after express-session/);
  server.close();
});

test('without load and without Passport, the error asks for one of them', () => withApplication({ options: { load: undefined } }, async (app) => {
  assert.equal((await signIn(app)).status, 500);
  assert.match(app.errors[0], /pass load/);
}));

test('a deserializeUser that takes no id is not used to look one up', async () => {
  const kind = 'Passport, whose session has an object';
  await withApplication({ kind, options: { load: undefined, passport: { deserializeUser: (kept, req, done) => done(null, { id: 7 }) } } }, async (app) => {
    assert.equal((await signIn(app)).status, 500);
    assert.match(app.errors[0], /Pass load/);
  });
});

test('administrators that `allow` refuses are named so to qrgate', () => {
  return withApplication({ options: { allow: (user, req) => !req } }, async (app) => {
    const cookie = (await signIn(app)).cookies.map((line) => line.split(';')[0]).join('; ');
    const response = await fetch(app.url + app.whoami, { headers: { cookie } });
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await response.json(), { qrgate: 1, user_id: '1', name: 'ana', allow: false });
  });
});

test('the login function of the application sees the call', () => {
  let seen;
  return withApplication({ options: { login: (req, user) => { seen = req.qrgate; req.session.userId = user.id; } } }, async (app) => {
    await signIn(app);
    assert.equal(seen.phone.label, 'Safari on iPhone');
  });
});

test('a sign-in without a cookie is explained', () => {
  const session = require('express-session')({ secret: 'x', resave: false, saveUninitialized: false, cookie: { secure: true } });
  return withApplication({ kind: 'cookie-session', mount: (app) => app.use((req, res, next) => { delete req.session; session(req, res, next); }) }, async (app) => {
    const warned = once(process, 'warning');
    assert.equal((await signIn(app)).status, 200);
    const [warning] = await warned;
    assert.equal(warning.code, 'QRGATE_NO_COOKIE');
    assert.match(warning.message, /trust proxy/);
  });
});

test('memory forgets a call after its time', async (t) => {
  t.mock.timers?.enable({ apis: ['Date'] });
  const replay = memoryReplay();
  assert.deepEqual([await replay.add('a', 900), await replay.add('a', 900), await replay.add('b', 900)], [true, false, true]);
  if (!t.mock.timers) return;
  t.mock.timers.tick(900_000);
  assert.deepEqual([await replay.add('a', 900), await replay.add('b', 900)], [true, true]);
});

test('Redis takes a call once, from clients of both kinds at the same time', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'qrgate-express-'));
  const socket = path.join(folder, 'redis.sock');
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], { stdio: 'ignore' });
  const connecting = createClient({ socket: { path: socket, reconnectStrategy: 50 } }).on('error', () => {}); // until it listens
  const [client, other] = [await connecting.connect(), new Redis(socket)];
  try {
    const stores = [redisReplay(client), redisReplay(other), redisReplay(client), redisReplay(other)];
    const added = await Promise.all(stores.map((store) => store.add('a:1', 900)));
    assert.deepEqual(added.sort(), [false, false, false, true]);
    assert.equal(await redisReplay(other).add('a:2', 900), true);
    assert.equal(await redisReplay(client, { prefix: 'site:' }).add('a:1', 900), true);
    for (const key of ['qrgate:used:a:1', 'qrgate:used:a:2', 'site:a:1']) {
      const seconds = await client.ttl(key);
      assert.ok(seconds > 890 && seconds <= 900, `${key} ${seconds}`);
    }
  } finally {
    client.destroy();
    other.disconnect();
    server.kill();
    await once(server, 'exit');
    rmSync(folder, { recursive: true });
  }
});

test('the helpers for pages escape what they are given', () => {
  const res = { locals: {} };
  qrgate({ ...given, ticketPath: '/blog/qr/' })({ path: '/' }, res, () => {});
  const { button, signinLink } = res.locals.qrgate;
  assert.equal(button(), '<form method="post" action="/blog/qr/"><button>Sign in on your phone</button></form>');
  assert.equal(button({ label: '<b>', className: '"x"' }),
    '<form method="post" action="/blog/qr/"><button class="&#34;x&#34;">&#60;b&#62;</button></form>');
  assert.equal(signinLink(), '<a href="/blog/qr/code/?next=%2F">Sign in with your phone</a>');
  assert.match(signinLink({ next: '/a?b=1&c' }), /\?next=%2Fa%3Fb%3D1%26c"/);
  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:x']) {
    assert.match(signinLink({ next }), /\?next=%2F"/, next);
  }
});

test('CommonJS gets what ES modules get', () => {
  const required = require('qrgate-express');
  assert.equal(required, qrgate);
  assert.equal(required.redisReplay, redisReplay);
});

test('the licences are those of the repository', () => {
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    assert.equal(readFileSync(path.join(FOLDER, name), 'utf8'), readFileSync(path.join(FOLDER, '../..', name), 'utf8'));
  }
});
