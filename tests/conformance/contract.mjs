// The hook contract, version 1 (docs/recipes/README.md), as tests of one running application.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { isSession, message, newId, now, post, revocation, sign } from './calls.mjs';

/** Fields of a direct caller that claims another site. */
const ELSEWHERE = { host: 'staging.example.com', 'x-forwarded-host': 'staging.example.com', 'x-forwarded-proto': 'https' };

/** qrgate sends the User-Agent of the browser in every call; some applications tie a session to it. */
const BROWSER = { 'user-agent': 'Mozilla/5.0 (contract)' };

/** The default users of an application. */
const USERS = { active: '1', other: '2', inactive: '3', unknown: '999' };

/** The statuses of a successful login: 200 with the name of the session, or 204 without content. */
const SIGNED_IN = [200, 204];

/**
 * The tests for the application that `start()` starts. It gives `url` (where the application listens), the paths `whoami` and
 * `login`, the name of the session `cookie` (it may end in `*`), the `origins` that the application accepts, its `secret`, and
 * `stop()`; and `users`, where the ids are not 1 (active), 2 (other), 3 (inactive) and 999 (unknown). `features` add tests:
 *
 * - `rotating`: the application accepts `oldSecret` too;
 * - `administrator`: `users.administrator` is refused;
 * - `version`: the version of the contract that the identify hook names;
 * - `authTime`: the session keeps `auth_time`;
 * - `stay`: the session lasts as long as the call says;
 * - `revoke`: there is a revoke hook at the path `revoke`.
 */
export function holdsTheContract(start, features = {}) {
  let app, users;
  before(async () => {
    app = await start();
    users = { ...USERS, ...app.users };
  });
  after(() => app?.stop());

  /** Calls the login hook, or another at `path`; every part can be replaced. */
  async function call({ path = app.login, id = newId(), timestamp = now(), body = message(app), signature, fields = {} } = {}) {
    return post(app.url + path, {
      ...BROWSER,
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signature ?? sign(app.secret, id, timestamp, body),
      ...fields,
    }, body);
  }

  /** Calls the identify hook with these Set-Cookie lines, or a Cookie field. */
  async function whoami(cookies = []) {
    const cookie = cookies.map((line) => line.split(';')[0]).join('; ');
    const response = await fetch(app.url + app.whoami, { redirect: 'manual', headers: cookie ? { ...BROWSER, cookie } : BROWSER });
    return { status: response.status, body: await response.json() };
  }

  const isSignedIn = (response, why) => {
    assert.ok(SIGNED_IN.includes(response.status), why ?? `${response.status} ${response.text}`);
    assert.ok(session(response), 'a session cookie comes with it');
  };
  const session = (response) => response.cookies.find((line) => isSession(app, line.split('=')[0]));
  const isRefused = (response, status, why) => {
    assert.equal(response.status, status, why ?? response.text);
    assert.equal(session(response), undefined, 'a refusal sets no session');
  };

  test('whoami responds 401 without a cookie and with a nonsense one', async () => {
    assert.equal((await whoami()).status, 401);
    assert.equal((await whoami([`${app.cookie}=nonsense`])).status, 401);
  });

  test('a good signature makes a session that identifies as the user', async () => {
    const response = await call({ body: message(app, { user_id: users.other }) });
    isSignedIn(response);
    assert.match(session(response), /HttpOnly/i);
    assert.doesNotMatch(session(response), /Secure/i, 'plain http: a Secure cookie would be lost');
    const { status, body } = await whoami(response.cookies);
    assert.equal(status, 200);
    assert.equal(body.user_id, users.other);
    assert.equal(typeof body.name, 'string');
  });

  if (features.rotating) {
    test('during a rotation the application accepts its old secret and its new one', async () => {
      for (const secret of [app.oldSecret, app.secret]) {
        const [id, timestamp, body] = [newId(), now(), message(app)];
        isSignedIn(await call({ id, timestamp, body, signature: sign(secret, id, timestamp, body) }));
      }
    });
  }

  test('during a rotation one of two signatures is enough', async () => {
    const [id, timestamp, body] = [newId(), now(), message(app)];
    const other = sign(randomBytes(32).toString('base64'), id, timestamp, body);
    const response = await call({ id, timestamp, body, signature: `${other} ${sign(app.secret, id, timestamp, body)}` });
    isSignedIn(response);
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
      'the body was changed': sign(app.secret, id, timestamp, message(app, { user_id: users.other })),
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
    const responses = await Promise.all(Array.from({ length: 8 }, () => call({ id, timestamp, body })));
    const refused = responses.filter((response) => response.status === 401);
    assert.equal(refused.length, 7, responses.map((response) => response.status).join(' '));
    isSignedIn(responses.find((response) => response.status !== 401));
    isRefused(await call({ id, timestamp, body }), 401);
  });

  test('a retry, with the same id and a later timestamp, signs the same user in', async () => {
    const id = newId();
    isSignedIn(await call({ id, timestamp: now() - 2 }));
    const again = await call({ id });
    isSignedIn(again);
    assert.equal((await whoami(again.cookies)).body.user_id, users.active);
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
      const response = await call({ body: message(app, { origin, url: origin + app.login }) });
      isSignedIn(response, origin);
    }
  });

  test('an inactive user, an unknown one and a malformed id are refused with a message', async () => {
    for (const user_id of [users.inactive, users.unknown, 'nobody', '']) {
      const response = await call({ body: message(app, { user_id }) });
      isRefused(response, 404);
      assert.match(JSON.parse(response.text).message, /^\S.{0,198}\S$/);
    }
  });

  test('a session planted in the call is not the one in the response', async () => {
    const planted = session(await call({ body: message(app, { user_id: users.other }) })).split(';')[0];
    const response = await call({ fields: { cookie: planted } });
    isSignedIn(response);
    assert.notEqual(session(response).split(';')[0], planted);
    assert.equal((await whoami(response.cookies)).body.user_id, users.active);
  });

  test('the login hook takes POST only', async () => {
    const response = await fetch(app.url + app.login, { redirect: 'manual' });
    assert.ok([404, 405].includes(response.status));
    assert.deepEqual(response.headers.getSetCookie(), []);
  });

  if (features.administrator) {
    test('an administrator is refused, and only by name', async () => {
      isRefused(await call({ body: message(app, { user_id: users.administrator }) }), 404);
    });
  }

  if (features.version) {
    test('the identify hook names the version of the contract', async () => {
      const { body } = await whoami((await call()).cookies);
      assert.equal(body.qrgate, features.version);
    });
  }

  if (features.authTime) {
    test('the time of the last authentication goes into the new session', async () => {
      const auth_time = now() - 4000;
      const { body } = await whoami((await call({ body: message(app, { auth_time }) })).cookies);
      assert.equal(body.auth_time, auth_time);
    });
  }

  if (features.stay) {
    test('a session lasts as long as the person chose', async () => {
      const short = session(await call({ body: message(app, { stay: 3600 }) }));
      const seconds = Number(short.match(/max-age=(\d+)/i)?.[1] ?? (Date.parse(short.match(/expires=([^;]+)/i)?.[1]) - Date.now()) / 1000);
      assert.ok(seconds > 3500 && seconds < 3700, short);
      const browser = session(await call({ body: message(app, { stay: 'browser' }) }));
      assert.doesNotMatch(browser, /expires=|max-age=/i, 'a cookie without a lifetime ends with the browser');
    });
  }

  if (features.revoke) describe('the revoke hook', () => {
    const signIn = async (user_id = users.active) => {
      const response = await call({ body: message(app, { user_id }) });
      assert.equal(response.status, 200, response.text);
      const name = JSON.parse(response.text).session;
      assert.match(name, /^[\x21-\x7e]{1,128}$/);
      return { cookies: response.cookies, name };
    };
    const revoke = (name, fields, parts) => call({ path: app.revoke, body: revocation(app, name, fields), ...parts });
    const isOver = async ({ cookies }) => (await whoami(cookies)).status === 401;
    const isDone = (response) => assert.ok(response.status >= 200 && response.status < 300, `${response.status} ${response.text}`);

    test('ends the session that it names, and no other of the same person', async () => {
      const [one, two] = [await signIn(), await signIn()];
      isDone(await revoke(one.name));
      assert.ok(await isOver(one));
      assert.ok(!await isOver(two));
    });

    test('succeeds again for a session that has ended, and for one that never existed', async () => {
      const { name } = await signIn();
      for (const each of [name, name, 'never-was']) isDone(await revoke(each));
    });

    test('does not end the session of another person', async () => {
      const other = await signIn(users.other);
      await revoke(other.name);
      assert.ok(!await isOver(other));
    });

    test('refuses a bad signature, a stale call, the same bytes again, and a call that was signed for something else', async () => {
      const mine = await signIn();
      const [id, timestamp, body] = [newId(), now(), revocation(app, mine.name)];
      const stranger = sign(randomBytes(32).toString('base64'), id, timestamp, body);
      const [origin] = app.origins;
      const login = message(app, { session: mine.name });
      const refused = {
        'no signature': { body, signature: '' },
        'another key': { id, timestamp, body, signature: stranger },
        'a stale call': { body, timestamp: now() - 90 },
        'a login call': { body: login },
        'another type': { body: revocation(app, mine.name, { type: 'qr.login' }) },
        'another site': { body: revocation(app, mine.name, { origin: 'https://staging.example.com' }) },
        'the address of the login hook': { body: revocation(app, mine.name, { url: origin + app.login }) },
      };
      for (const [why, parts] of Object.entries(refused)) {
        assert.equal((await call({ path: app.revoke, ...parts })).status, 401, why);
      }
      assert.ok(!await isOver(mine));
      isRefused(await call({ body: revocation(app, mine.name) }), 401, 'a revoke call at the login hook');
      isDone(await call({ path: app.revoke, id, timestamp, body }));
      assert.equal((await call({ path: app.revoke, id, timestamp, body })).status, 401, 'the same bytes again');
    });

    test('takes POST only', async () => {
      const response = await fetch(app.url + app.revoke, { redirect: 'manual' });
      assert.ok([404, 405].includes(response.status));
    });
  });
}
