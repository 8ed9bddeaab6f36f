// JupyterHub with its usual proxy, configurable-http-proxy, and an authenticator that takes any password.

import assert from 'node:assert/strict';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { install, python } from '../packages/python.mjs';
import { ROOT } from '../process.mjs';

const FOLDER = 'integrations/applications/jupyterhub';
const TOKEN = 'token-of-the-robot';

const CONFIGURATION = `
import socket


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


c.JupyterHub.hub_port = free_port()
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{free_port()}"
c.ConfigurableHTTPProxy.command = ["setpriv", "--pdeathsig", "TERM", "${ROOT}/tests/browser/node_modules/.bin/configurable-http-proxy"]
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.redirect_to_server = False
c.Authenticator.allowed_users = {"ana", "bob", "cleo", "dora"}
c.Authenticator.blocked_users = {"cleo"}
c.Authenticator.admin_users = {"admin"}
c.JupyterHub.services = [{"name": "robot", "admin": True, "api_token": "${TOKEN}"}]
`;

export default {
  ...python('jupyterhub'),
  app: 'jupyterhub',
  title: 'JupyterHub',
  undo: true,
  cookie: 'jupyterhub-hub-login',
  tickets: '/hub/qr/',
  paths: { whoami: '/hub/qrgate/whoami', login: '/hub/qrgate/login', revoke: '/hub/qrgate/revoke' },
  users: { active: 'ana', other: 'bob', inactive: 'cleo', administrator: 'admin' },
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },

  install: (commands, built) => commands.replace(`/path/to/qrgate/${FOLDER}`, () => built),

  async build(folder, run) {
    const out = path.join(folder, 'dist');
    await run(`target/build-venv/bin/python -m build --no-isolation --outdir ${out} ${FOLDER}`, { cwd: ROOT });
    return path.join(out, (await readdir(out)).find((file) => file.endsWith('.whl')));
  },

  /** Its proxy responds before the hub does. */
  ready: (url) => fetch(new URL('/hub/health', url)).then(({ ok }) => ok, () => false),

  async generate(project, run, { application }) {
    await install(project, run, `${FOLDER}/requirements-newest.txt`);
    await writeFile(path.join(project, 'jupyterhub_config.py'), CONFIGURATION);
    this.address = `http://127.0.0.1:${application}`;
  },

  async add(project, [setup]) {
    await appendFile(path.join(project, 'jupyterhub_config.py'), setup.text);
  },

  async signIn(person, name) {
    await person.open('/hub/login');
    await person.page.type('#username_input', name);
    await person.page.type('#password_input', name);
    await Promise.all([person.page.waitForNavigation(), person.page.click('#login_submit')]);
  },

  press: (person) => person.press('Sign in on your phone'),

  async hasNoButton(person) {
    assert.doesNotMatch(await person.text(), /Sign in on your phone/);
  },

  async link(person) {
    await person.open('/hub/login');
    await person.press('Sign in with your phone');
  },

  async signOut(person) {
    await person.open('/hub/home');
    await person.press('Logout');
  },

  async isSignedInAs(person, name) {
    await person.open('/hub/home');
    assert.equal(await person.page.$eval('#login_widget span', (shown) => shown.textContent), name);
  },

  async isSignedOut(person) {
    await person.open('/hub/home');
    assert.match(person.page.url(), /\/hub\/login\?/);
  },

  async block(project, name) {
    const headers = { authorization: `token ${TOKEN}` };
    const response = await fetch(`${this.address}/hub/api/users/${name}`, { method: 'DELETE', headers });
    assert.equal(response.status, 204);
  },

  command: ['bash', ['-c', 'mkdir -p alone && cd alone && exec ../.venv/bin/jupyterhub --config ../jupyterhub_config.py --ip 127.0.0.1 --port "$PORT"']],
};
