// Redmine of Debian's package, with the plugin in its folder plugins/. The administrator sets it up in a browser.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { launch } from '../browser.mjs';
import { ROOT, responds, start } from '../process.mjs';

const PLUGIN = path.join(ROOT, 'integrations/applications/redmine');
const SERVE = 'cd redmine && exec puma --quiet --preload --workers 4 --threads 1:1 --bind "tcp://127.0.0.1:$PORT"';
const FORGET = `sqlite3 redmine/production.sqlite3 "delete from settings where name = 'plugin_redmine_qrgate'"`;

async function signIn(page, name) {
  await page.type('#username', name);
  await page.type('#password', name);
  await Promise.all([page.waitForNavigation(), page.click('#login-submit')]);
}

/** Does something as the administrator, in front of the application itself. */
async function administer(address, does) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 720 }); // narrower, the menus are hidden
    const press = (selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);
    await page.goto(`${address}/login`);
    await signIn(page, 'admin');
    await does(page, press);
  } finally {
    await browser.close();
  }
}

export default {
  app: 'redmine',
  title: 'Redmine',
  skip: !existsSync('/usr/share/redmine/config.ru') && "needs Debian's redmine",
  undo: true,
  cookie: 'Redmine',
  users: { active: '5', other: '6', inactive: '7', administrator: '1' },
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  env: { RAILS_ENV: 'production', RAILS_SERVE_STATIC_FILES: '1', BUNDLE_SILENCE_ROOT_WARNING: '1' },

  async build(folder, run) {
    await run(`./build.sh ${folder}`, { cwd: PLUGIN });
    return path.join(folder, 'redmine_qrgate');
  },

  install: (commands, built) => commands.replace(/^~\/qrgate\/.*$/m, `cp -r ${built} .`),

  async generate(project, run, { application, servers }) {
    await run(`${PLUGIN}/tests/instance.sh redmine`, { cwd: project });
    Object.assign(this, { address: `http://127.0.0.1:${application}`, servers });
  },

  async add(project, boxes, { built, application, gate }) {
    await cp(built, path.join(project, 'redmine/plugins/redmine_qrgate'), { recursive: true });
    const env = { ...process.env, ...this.env, PORT: String(application) };
    this.servers.push(await start('bash', ['-c', SERVE], { cwd: project, env, ready: () => responds(`${this.address}/login`) }));
    const secret = (await readFile(path.join(project, 'hook.secret'), 'utf8')).trim();
    await administer(this.address, async (page, press) => {
      await press('#top-menu a.administration');
      await press('#admin-menu a.plugins');
      await press('a[href$="/settings/plugin/redmine_qrgate"]');
      await page.type('#settings_secret', secret);
      await page.$eval('#settings_origins', (input, origins) => { input.value = origins; }, `${gate} ${gate.replace('localhost', '127.0.0.1')}`);
      await press('#settings [type=submit]');
      assert.equal(await page.$eval('#settings_secret', (input) => input.value), '', 'the page does not show the secret');
      assert.match(await page.$eval('#settings pre', (box) => box.textContent), /session_cookies = \["Redmine"\]/);
    });
  },

  async signIn(person, name) {
    await person.open('/login');
    await signIn(person.page, name);
    await person.open('/my/account');
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
    await person.open('/my/account');
    await person.press('Sign out');
  },

  async isSignedInAs(person, name) {
    await person.open('/my/page');
    assert.equal(await person.page.$eval('#loggedas a.user', (link) => link.textContent), name);
  },

  async isSignedOut(person) {
    await person.open('/my/page');
    assert.match(person.page.url(), /\/login\?back_url=/);
  },

  block(project, name) {
    return administer(this.address, async (page, press) => {
      await page.goto(`${this.address}/users?name=${name}`);
      await press('a.icon-lock');
    });
  },

  /** With the secrets in the environment instead of that in the settings. */
  command: ['bash', ['-c', `${FORGET} && ${SERVE}`]],
};
