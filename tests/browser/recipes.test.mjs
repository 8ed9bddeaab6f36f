// Runs the example of every recipe end to end in a browser: a person signs in on a computer, the code signs in a phone, and from
// then on the two sessions are independent.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { isSession } from '../conformance/calls.mjs';
import { promisify } from 'node:util';
import { EXAMPLES, startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { ROOT } from './lib/process.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

/** The origins of the examples; WordPress names its cookies and makes links by the scheme, so https too. */
const HTTPS = { host: 'notes.example.com', https: true };
const ORIGINS = { wordpress: [undefined, HTTPS] };

for (const name of Object.keys(EXAMPLES)) {
  describe(`the recipe for ${name}`, () => {
    let app;
    before(async () => { app = await startExample(name); });
    after(() => app?.stop());

    test('`qrgate check` signs a user in and finds nothing wrong', async () => {
      const file = `examples/${name}/proxy.toml`;
      const env = { ...process.env, QRGATE_APPLICATION__URL: app.url, QRGATE_LOGIN__SECRET_FILE: app.secretFile };
      const { stdout } = await promisify(execFile)(BINARY, ['check', '--config', file, '--user', '1'], { cwd: ROOT, env });
      assert.match(stdout, /^ok +identify +signed out without a cookie \(401\)/m, stdout);
      assert.match(stdout, /^ok +login +20[04] with \d+ Set-Cookie/m, stdout);
      assert.match(stdout, /^ok +verify +the new session is user 1 \(ana\)/m, stdout);
      assert.match(stdout, /^0 failures/m, stdout);
    });

    for (const gate of ORIGINS[name] ?? [undefined]) {
      const stage = { app: () => app, gate, browsers: ['chromium'] };
      inFrontOf(`at ${gate ? 'https' : 'http'}`, stage, (people) => journey(people, stage));
    }
  });
}

function journey({ visitor, phone: withPhone }, { app, gate }) {
  test('the phone is the same user in its own session, and each signs out alone', async () => {
    const computer = await visitor();
    const session = async (person) => {
      const cookies = await person.context.cookies();
      const sessions = cookies.filter((cookie) => isSession(app(), cookie.name));
      if (gate) assert.ok(sessions.every((cookie) => cookie.secure), 'Secure at an https address');
      return sessions.map((cookie) => cookie.value).join();
    };
    const signIn = async () => {
      await computer.signIn('bob', app().form, app().fields);
      await computer.isSignedInAs('bob');
    };
    const scanned = async () => {
      await computer.showCode();
      const phone = await withPhone();
      const { number } = await claim(computer, phone);
      await computer.sees('Is this your phone?');
      await computer.typeNumber(number, { follow: false });
      await phone.isSignedInAs('bob');
      await computer.sees('Your phone is signed in');
      assert.notEqual(await session(phone), await session(computer), 'a separate session');
      return phone;
    };

    await signIn();
    const first = await scanned();
    await first.press('Sign out');
    await first.reads('You are not signed in.');
    await computer.open('/');
    await computer.isSignedInAs('bob');

    const second = await scanned();
    await computer.open('/');
    await computer.press('Sign out');
    await computer.open('/');
    await computer.reads('You are not signed in.');
    await second.open('/');
    await second.isSignedInAs('bob');
  });
}
