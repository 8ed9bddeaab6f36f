// docs/getting-started.md, executed from top to bottom until a phone is signed in, and the hooks of docs/recipes/django.md without
// the package, in a project as `startproject` makes it. Only the ports are changed.

import assert from 'node:assert/strict';
import { appendFile, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { newSecret } from '../conformance/calls.mjs';
import { holdsTheContract } from '../conformance/contract.mjs';
import { BINARY } from './lib/gate.mjs';
import { ROOT, responds, freePort, start, temporaryFolder } from './lib/process.mjs';
import { launch } from './lib/browser.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { claim } from './lib/story.mjs';

const run = promisify(execFile);

/** The boxes that are commands, in order; a server's are marked `sh server`. */
function boxes(text) {
  return [...text.matchAll(/^```sh( server)?\n(.*?)^```$/gms)].map(([, server, commands]) => ({ server: Boolean(server), commands }));
}

describe('getting started', () => {
  const servers = [];
  let folder, remove, browser;
  before(async () => {
    ({ folder, remove } = await temporaryFolder());
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    for (const server of servers.reverse()) await server.stop();
    await remove?.();
  });

  test('the steps of docs/getting-started.md end in a signed-in phone', async (t) => {
    const [application, gate] = [await freePort(), await freePort()];
    const text = await readFile(path.join(ROOT, 'docs/getting-started.md'), 'utf8');
    const steps = boxes(text.replaceAll(':8000', `:${application}`).replaceAll(':8080', `:${gate}`));
    assert.equal(steps.filter(({ server }) => server).length, 2, 'the application and qrgate');
    for (const part of ['examples', 'integrations']) await symlink(path.join(ROOT, part), path.join(folder, part));
    const env = {
      ...process.env,
      PATH: `${path.dirname(BINARY)}:${process.env.PATH}`,
      PIP_NO_INDEX: '1', // tests/setup.sh downloaded the wheels
      PIP_FIND_LINKS: path.join(ROOT, 'target/wheels'),
      QRGATE_LISTEN__ADMIN: 'off',
      QRGATE_LISTEN__ADDRESS: `127.0.0.1:${gate}`, // in place of 8080, which the steps leave to the default
    };
    const began = performance.now();

    let cwd = folder; // a `cd` lasts, as in a terminal
    const place = path.join(folder, 'cwd');
    await writeFile(place, cwd);
    for (const { server, commands } of steps) {
      if (server) {
        const port = servers.length === 0 ? application : gate;
        const ready = () => responds(`http://127.0.0.1:${port}/`);
        servers.push(await start('bash', ['-c', commands], { cwd, env, ready, within: 60_000 }));
      } else {
        const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', `${commands}\npwd > ${place}`], { cwd, env });
        if (commands.startsWith('qrgate check')) assert.match(stdout, /^0 failures/m, stdout);
        cwd = (await readFile(place, 'utf8')).trim();
      }
    }
    const prepared = performance.now();

    const origin = `http://localhost:${gate}`;
    const [computer, phone] = [await Computer.arrive(browser, origin), await Phone.arrive(browser, origin)];
    await computer.open('/');
    await computer.press('Sign in');
    await computer.signIn('ana');
    await computer.press('Sign in on your phone');
    const { number } = await claim(computer, phone, 'Example');
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    const seconds = (from, to) => `${((to - from) / 1000).toFixed(1)} s`;
    t.diagnostic(`from nothing to a signed-in phone: ${seconds(began, performance.now())}, of which the scan ${seconds(prepared, performance.now())}`);

    await phone.press('Sign out');
    await phone.reads('You are not signed in.');
    await computer.open('/');
    await computer.isSignedInAs('ana');
    for (const person of [computer, phone]) person.isContent();
  });
});

describe('the recipe for Django without the package, in a project that startproject has just made', () => {
  let folder, remove, server;
  before(async () => { ({ folder, remove } = await temporaryFolder()); });
  after(async () => {
    await server?.stop();
    await remove?.();
  });

  test('its boxes are enough for `qrgate check` to sign a user in', async () => {
    const [application, gate] = [await freePort(), await freePort()];
    const python = path.join(ROOT, 'target/django-venv/bin/python');
    const recipe = await readFile(path.join(ROOT, 'docs/recipes/django.md'), 'utf8');
    const without = recipe.split('## Without the package')[1];
    const [hooks, urls, settings] = [...without.matchAll(/^```python\n(.*?)^```$/gms)].map(([, code]) => code);
    const env = {
      ...process.env,
      QRGATE_HOOK_SECRET_FILE: path.join(folder, 'hook.secret'),
      QRGATE_LISTEN__ADMIN: 'off',
      QRGATE_LISTEN__ADDRESS: `127.0.0.1:${gate}`,
      QRGATE_LOGIN__REVOKE_PATH: '', // the page says to remove it
      QRGATE_IDENTIFY__LOGIN_URL: '/admin/login/?next={return}', // the only sign-in page of a new project
      DJANGO_SUPERUSER_PASSWORD: 'admin',
    };
    const here = { cwd: folder, env };
    const manage = (...words) => run(python, ['manage.py', ...words], here);

    await run(python, ['-m', 'django', 'startproject', 'site1', '.'], here);
    await run(BINARY, ['init', '--application', `http://127.0.0.1:${application}`, '--stack', 'django'], here);
    await writeFile(path.join(folder, 'site1/qr_hooks.py'), hooks);
    await appendFile(path.join(folder, 'site1/urls.py'), urls);
    const origin = `http://127.0.0.1:${gate}`;
    await appendFile(path.join(folder, 'site1/settings.py'), settings.replace('https://app.example.com', origin));
    await manage('migrate', '--verbosity', '0');
    await manage('createcachetable');
    await manage('createsuperuser', '--noinput', '--username', 'admin', '--email', 'admin@example.com');
    await manage('shell', '-c', 'from django.contrib.auth.models import User; User.objects.create_user("ana")');

    const serve = ['manage.py', 'runserver', '--noreload', `127.0.0.1:${application}`];
    server = await start(python, serve, { ...here, ready: () => responds(`http://127.0.0.1:${application}/`) });
    const { stdout } = await run(BINARY, ['check', '--user', '2'], here);
    assert.match(stdout, /the new session is user 2 \(ana\)/, stdout);
    assert.match(stdout, /^0 failures/m, stdout);
  });
});

/** The application that the boxes for Flask extend. */
const FLASK = `import sqlite3
from flask import Flask
from flask_login import LoginManager, UserMixin
from flask_wtf.csrf import CSRFProtect

app = Flask(__name__)
app.secret_key = "a secret of this test"
logins, csrf = LoginManager(app), CSRFProtect(app)

class User(UserMixin):
    def __init__(self, id, name, is_active):
        self.id, self.name, self.active = id, name, is_active
    is_active = property(lambda self: self.active)

users = {"1": User("1", "ana", True), "2": User("2", "bob", True), "3": User("3", "cleo", False)}
load_user = logins.user_loader(users.get)

def db():
    return sqlite3.connect("site.sqlite3", timeout=30)

with db() as c:
    c.execute("create table qr_used (id text primary key, at real)")

`;

describe('the recipe for Flask without the package', () => {
  holdsTheContract(async () => {
    const { folder, remove } = await temporaryFolder();
    const recipe = await readFile(path.join(ROOT, 'docs/recipes/flask.md'), 'utf8');
    const without = recipe.split('## Without the package')[1];
    const [hooks, settings] = [...without.matchAll(/^```python\n(.*?)^```$/gms)].map(([, code]) => code);
    await writeFile(path.join(folder, 'qrgate_hooks.py'), hooks);
    await writeFile(path.join(folder, 'app.py'), FLASK + settings);
    const [port, secret, oldSecret] = [await freePort(), newSecret(), newSecret()];
    const url = `http://127.0.0.1:${port}`;
    const origins = ['http://localhost:8080', 'https://notes.example.com'];
    const words = ['-m', 'gunicorn', '--preload', '--workers', '2', '--bind', `127.0.0.1:${port}`, '--log-level', 'warning', 'app:app'];
    const env = { QRGATE_HOOK_SECRET: `${oldSecret} ${secret}`, QRGATE_ORIGINS: origins.join(' ') };
    const server = await start(path.join(ROOT, 'target/flask-venv/bin/python'), words, { cwd: folder, env, ready: () => responds(url) });
    const stop = async () => { await server.stop(); await remove(); };
    return { url, whoami: '/_qr/whoami', login: '/_qr/login', cookie: 'session', origins, secret, oldSecret, stop };
  }, { rotating: true });
});
