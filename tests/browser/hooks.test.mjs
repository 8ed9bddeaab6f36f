// The hooks of every example, called as qrgate and as an attacker would.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { now } from '../conformance/calls.mjs';
import { holdsTheContract } from '../conformance/contract.mjs';
import { EXAMPLES, startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { ROOT } from './lib/process.mjs';

for (const name of Object.keys(EXAMPLES)) {
  describe(`the hooks of the ${name} example`, () => {
    let app;
    holdsTheContract(async () => {
      app = await startExample(name, { rotating: true });
      return app;
    }, { rotating: true, ...EXAMPLES[name].features });

    test('`qrgate check` finds nothing wrong with the example and its proxy.toml', async () => {
      const file = `examples/${name}/proxy.toml`;
      const env = { ...process.env, QRGATE_APPLICATION__URL: app.url, QRGATE_LOGIN__SECRET_FILE: app.secretFile };
      const check = (...more) => promisify(execFile)(BINARY, ['check', '--config', file, ...more], { cwd: ROOT, env });
      const { stdout } = await check('--offline');
      assert.match(stdout, /^ok +proxy.toml/);
      assert.match(stdout, /^0 failures/m);
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
    const response = await fetch(app.url + app.whoami, { headers: { cookie } });
    const { name, allow, auth_time } = await response.json();
    assert.equal(name, 'admin');
    assert.equal(allow, false);
    assert.ok(Math.abs(auth_time - now()) < 60);
  });
});

describe('the hooks of WordPress in a folder, with plain permalinks', () => {
  holdsTheContract(async () => {
    const edits = [
      ['serve.sh', 'SITE=$DATA/site', 'SITE=$DATA/web/blog'],
      ['serve.sh', '-t "$SITE"', '-t "$DATA/web"'],
      ['wp-config.php', "?? 'localhost'));", "?? 'localhost') . '/blog');"],
    ];
    const app = await startExample('wordpress', { rotating: true, edits });
    const below = (hook) => `/blog/index.php/_qr/${hook}`;
    return { ...app, whoami: below('whoami'), login: below('login'), revoke: below('revoke') };
  }, { rotating: true, ...EXAMPLES.wordpress.features });
});
