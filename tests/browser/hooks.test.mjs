// The hooks of every example, called as qrgate and as an attacker would.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { EXAMPLES, isSession, message, newId, now, sign, startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { ROOT } from './lib/process.mjs';

/** POSTs with exactly these fields: `fetch` would set `Host` itself. */
function post(url, headers, body) {
  return new Promise((done, failed) => {
    const call = request(url, { method: 'POST', headers: { 'content-length': Buffer.byteLength(body), ...headers } }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      done({ status: answer.statusCode, cookies: answer.headers['set-cookie'] ?? [], text });
    });
    call.on('error', failed).end(body);
  });
}

/** Fields of a direct caller that claims another site. */
const ELSEWHERE = { host: 'staging.example.com', 'x-forwarded-host': 'staging.example.com', 'x-forwarded-proto': 'https' };

for (const name of Object.keys(EXAMPLES)) {
  describe(`the hooks of the ${name} example`, () => {
    let app;
    before(async () => { app = await startExample(name, { rotating: true }); });
    after(() => app?.stop());

    /** Calls the login hook; every part can be replaced. */
    async function call({ id = newId(), timestamp = now(), body = message(app), signature, fields = {} } = {}) {
      return post(app.url + app.login, {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signature ?? sign(app.secret, id, timestamp, body),
        ...fields,
      }, body);
    }

    /** Asks whose session some Set-Cookie lines, or a Cookie field, are. */
    async function whoami(cookies = []) {
      const cookie = cookies.map((line) => line.split(';')[0]).join('; ');
      const answer = await fetch(app.url + app.whoami, { redirect: 'manual', headers: cookie ? { cookie } : {} });
      return { status: answer.status, body: await answer.json() };
    }

    const session = (answer) => answer.cookies.find((line) => isSession(app, line.split('=')[0]));
    const isRefused = (answer, status, why) => {
      assert.equal(answer.status, status, why ?? answer.text);
      assert.equal(session(answer), undefined, 'a refusal sets no session');
    };

    test('`qrgate check` finds nothing wrong with the example and its proxy.toml', async () => {
      const file = `examples/${name}/proxy.toml`;
      const env = { ...process.env, QRGATE_APPLICATION__URL: app.url, QRGATE_LOGIN__SECRET_FILE: app.secretFile };
      const check = (...more) => promisify(execFile)(BINARY, ['check', '--config', file, ...more], { cwd: ROOT, env });
      const { stdout } = await check('--offline');
      assert.match(stdout, /^ok +proxy.toml/);
      assert.match(stdout, /^0 failures/m);
    });

    test('whoami responds 401 without a cookie and with a nonsense one', async () => {
      assert.equal((await whoami()).status, 401);
      assert.equal((await whoami([`${app.cookie}=nonsense`])).status, 401);
    });

    test('a good signature makes a session that identifies as the user', async () => {
      const answer = await call({ body: message(app, { user_id: '2' }) });
      assert.equal(answer.status, 204);
      assert.match(session(answer), /HttpOnly/i);
      assert.doesNotMatch(session(answer), /Secure/i, 'plain http: a Secure cookie would be lost');
      const { status, body } = await whoami(answer.cookies);
      assert.equal(status, 200);
      assert.equal(body.user_id, '2');
      assert.equal(body.name, 'bob');
    });

    test('during a rotation the application accepts its old secret and its new one', async () => {
      for (const secret of [app.oldSecret, app.secret]) {
        const [id, timestamp, body] = [newId(), now(), message(app)];
        assert.equal((await call({ id, timestamp, body, signature: sign(secret, id, timestamp, body) })).status, 204);
      }
    });

    test('during a rotation one of two signatures is enough', async () => {
      const [id, timestamp, body] = [newId(), now(), message(app)];
      const other = sign(randomBytes(32).toString('base64'), id, timestamp, body);
      const answer = await call({ id, timestamp, body, signature: `${other} ${sign(app.secret, id, timestamp, body)}` });
      assert.equal(answer.status, 204);
    });

    test('a bad signature signs nobody in', async () => {
      const [id, timestamp, body] = [newId(), now(), message(app)];
      const good = sign(app.secret, id, timestamp, body);
      const bad = {
        'none at all': '',
        'the key is another': sign(randomBytes(32).toString('base64'), id, timestamp, body),
        'the key is empty': sign('', id, timestamp, body),
        'the version is another': good.replace('v1,', 'v2,'),
        'the version is missing': good.replace('v1,', ''),
        'it is cut': good.slice(0, -4),
        'the body was changed': sign(app.secret, id, timestamp, message(app, { user_id: '2' })),
        'the id was changed': sign(app.secret, newId(), timestamp, body),
        'the time was changed': sign(app.secret, id, timestamp - 1, body),
      };
      for (const [why, signature] of Object.entries(bad)) {
        isRefused(await call({ id, timestamp, body, signature }), 401, why);
      }
    });

    test('a stale call, one from the future, and one without a time sign nobody in', async () => {
      for (const timestamp of [now() - 90, now() + 90, 'soon', '']) isRefused(await call({ timestamp }), 401);
    });

    test('the same bytes work once, even when they arrive together', async () => {
      const [id, timestamp, body] = [newId(), now(), message(app)];
      const answers = await Promise.all(Array.from({ length: 8 }, () => call({ id, timestamp, body })));
      assert.deepEqual(answers.map((answer) => answer.status).sort(), [204, ...Array(7).fill(401)]);
      isRefused(await call({ id, timestamp, body }), 401);
    });

    test('a retry, with the same id and a later timestamp, signs the same user in', async () => {
      const id = newId();
      assert.equal((await call({ id, timestamp: now() - 2 })).status, 204);
      const again = await call({ id });
      assert.equal(again.status, 204);
      assert.equal((await whoami(again.cookies)).body.user_id, '1');
    });

    test('a call that was signed for another site, hook or purpose signs nobody in, whatever its Host says', async () => {
      const [origin] = app.origins;
      const other = 'https://staging.example.com';
      const meant = {
        'another type': { type: 'something.else' },
        'another method': { method: 'GET' },
        'another site': { origin: other, url: other + app.login },
        'another origin': { origin: other },
        'another address': { url: other + app.login },
        'another hook of this site': { url: `${origin}/admin${app.login}` },
        'an address that goes on': { url: `${origin}${app.login}/x` },
        'another scheme': { origin: origin.replace('http:', 'https:'), url: origin.replace('http:', 'https:') + app.login },
        'another port': { origin: 'http://localhost:1', url: `http://localhost:1${app.login}` },
        'an origin that begins alike': { origin: `${origin}.evil.example`, url: `${origin}.evil.example${app.login}` },
        'an empty origin': { origin: '', url: app.login },
        'a list': { origin: [origin], url: [origin + app.login] },
        'no type': { type: undefined },
        'no method': { method: undefined },
        'no origin': { origin: undefined },
        'no address': { url: undefined },
        'neither origin nor address': { origin: undefined, url: undefined },
        'nothing': { type: undefined, method: undefined, origin: undefined, url: undefined },
      };
      for (const [why, fields] of Object.entries(meant)) {
        const body = message(app, fields);
        isRefused(await call({ body }), 401, why);
        isRefused(await call({ body, fields: ELSEWHERE }), 401, why);
      }
    });

    test('a call for any of its own origins signs the user in', async () => {
      for (const origin of app.origins) {
        const answer = await call({ body: message(app, { origin, url: origin + app.login }) });
        assert.equal(answer.status, 204, origin);
      }
    });

    test('an inactive user, an unknown one and a malformed id are refused with a message', async () => {
      for (const user_id of ['3', '999', 'nobody', '']) {
        const answer = await call({ body: message(app, { user_id }) });
        isRefused(answer, 404);
        assert.equal(JSON.parse(answer.text).message, 'This account cannot sign in.');
      }
    });

    test('a session planted in the call is not the one in the response', async () => {
      const planted = session(await call({ body: message(app, { user_id: '2' }) })).split(';')[0];
      const answer = await call({ fields: { cookie: planted } });
      assert.equal(answer.status, 204);
      assert.notEqual(session(answer).split(';')[0], planted);
      assert.equal((await whoami(answer.cookies)).body.user_id, '1');
    });

    test('the login hook takes POST only', async () => {
      const answer = await fetch(app.url + app.login, { redirect: 'manual' });
      assert.ok([404, 405].includes(answer.status));
      assert.deepEqual(answer.headers.getSetCookie(), []);
    });
  });
}

describe('the administrator of the django example', () => {
  let app;
  before(async () => { app = await startExample('django'); });
  after(() => app?.stop());

  test('is not allowed: whoami says so', async () => {
    const page = await fetch(app.url + app.form);
    const token = (await page.text()).match(/name="csrfmiddlewaretoken" value="([^"]+)"/)[1];
    const csrf = page.headers.getSetCookie()[0].split(';')[0];
    const signedIn = await fetch(app.url + app.form, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: csrf, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrfmiddlewaretoken: token, username: 'admin', password: 'admin', next: '/' }),
    });
    assert.equal(signedIn.status, 302);
    const cookie = signedIn.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
    const answer = await fetch(app.url + app.whoami, { headers: { cookie } });
    const { name, allow, auth_time } = await answer.json();
    assert.equal(name, 'admin');
    assert.equal(allow, false);
    assert.ok(Math.abs(auth_time - now()) < 60);
  });
});
