// Calibre-Web from PyPI, run by the command of qrgate-calibre-web, with an empty library.

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newSecret } from '../../../conformance/calls.mjs';
import { install, python } from '../packages/python.mjs';
import { ROOT, responds, freePort, start } from '../process.mjs';

/** Does the work of the setup pages and the administrator: a library, a port, accounts. */
const SETUP = `
import os, sys
from calibreweb.__main__ import main
from cps import config_sql, constants, db, ub
from sqlalchemy import create_engine, text
from werkzeug.security import generate_password_hash

folder = os.environ["CALIBRE_DBPATH"]
os.makedirs(folder)
library = create_engine(f"sqlite:///{folder}/metadata.db").execution_options(schema_translate_map={"calibre": None})
db.Base.metadata.create_all(library)
with library.begin() as connection:
    connection.execute(text("insert into library_id (uuid) values ('a-library')"))

ub.init_db(f"{folder}/app.db")
key, _ = config_sql.get_encryption_key(folder)
config_sql.load_configuration(ub.session, key)
ub.session.execute(text("update settings set config_port = :port, config_calibre_dir = :folder"), {"port": sys.argv[1], "folder": folder})
ub.session.query(ub.User).filter_by(name="admin").one().password = generate_password_hash("admin")
for name in ["ana", "bob", "dora"]:
    ub.session.add(ub.User(name=name, email=f"{name}@example.com", role=constants.ROLE_USER | constants.ROLE_PASSWD, password=generate_password_hash(name), sidebar_view=constants.ADMIN_USER_SIDEBAR, default_language="all", locale="en"))
ub.session.commit()
`;

/** Does what "Delete User" does in Calibre-Web. */
const DELETE = `
import os, sqlite3, sys
with sqlite3.connect(os.environ["CALIBRE_DBPATH"] + "/app.db", timeout=10) as db:
    db.execute("delete from user_session where user_id = (select id from user where name = ?)", sys.argv[1:])
    db.execute("delete from user where name = ?", sys.argv[1:])
`;

const ME = '/me';
const config = (project) => path.join(project, '../config');

export default {
  app: 'calibre-web',
  title: 'Calibre-Web',
  undo: true,
  cookie: 'session',
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  users: { administrator: '1', inactive: '2', active: '3', other: '4' }, // 2 is Guest; accounts cannot be blocked
  bin: '.venv/bin',
  env: (folder) => ({ ...python('flask').env, CALIBRE_DBPATH: path.join(folder, 'config'), HOME: folder }),

  async build(folder, run) {
    const out = path.join(folder, 'dist');
    for (const source of ['flask', 'applications/calibre-web']) {
      await run(`${ROOT}/target/build-venv/bin/python -m build --no-isolation --outdir ${out} integrations/${source}`, { cwd: ROOT });
    }
    return (await readdir(out)).filter((file) => file.endsWith('.whl')).map((file) => path.join(out, file)).join(' ');
  },

  install: (commands, built) => commands.replace(/\/path\/to\/.*/, () => built),

  async generate(project, run, { application }) {
    await install(project, run, 'tests/browser/calibre-web.txt');
    await writeFile(path.join(project, 'setup.py'), SETUP);
    await writeFile(path.join(project, 'delete.py'), DELETE);
    await run(`python setup.py ${application}`, { cwd: project });
  },

  async add() {}, // the page has no lines to write

  async signIn(person, name) {
    await person.open('/login');
    await person.page.type('#username', name);
    await person.page.type('#password', name);
    await person.press('Login');
    await person.open(ME);
  },

  press: (person) => person.press('Sign in on your phone'),

  async hasNoButton(person) {
    assert.doesNotMatch(await person.text(), /Sign in on your phone/);
  },

  async link(person) {
    await person.open('/login');
    await person.press('Sign in with your phone');
  },

  async signOut(person) {
    await person.open(ME);
    await Promise.all([person.page.waitForNavigation(), person.page.$eval('#logout', (link) => link.click())]);
  },

  async isSignedInAs(person, name) {
    await person.open(ME);
    assert.equal(await person.page.$eval('#top_user', (link) => link.textContent.trim()), name);
  },

  async isSignedOut(person) {
    await person.open(ME);
    assert.match(person.page.url(), /\/login\?/);
  },

  block: (project, name, run) => run(`python delete.py ${name}`, { cwd: project }),

  /** A second process with the same accounts, at another port, and with two secrets. */
  async alone(project) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const [secret, oldSecret] = [newSecret(), newSecret()];
    const origins = ['http://localhost:8080', 'https://books.example.com'];
    const folder = `${config(project)}-alone`;
    const running = await start('bash', ['-c', `cp -r ${config(project)} ${folder}
      .venv/bin/python -c 'import sqlite3; db = sqlite3.connect("${folder}/app.db"); db.execute("update settings set config_port = ${port}"); db.commit()'
      exec .venv/bin/cps-with-qrgate -i 127.0.0.1`], {
      cwd: project,
      env: { CALIBRE_DBPATH: folder, HOME: folder, QRGATE_HOOK_SECRET: `${oldSecret} ${secret}`, QRGATE_ORIGINS: origins.join(' ') },
      ready: () => responds(url),
    });
    const hooks = { whoami: '/_qr/whoami', login: '/_qr/login', revoke: '/_qr/revoke' };
    return { url, ...hooks, cookie: this.cookie, origins, secret, oldSecret, users: this.users, output: running.output, stop: running.stop };
  },
};
