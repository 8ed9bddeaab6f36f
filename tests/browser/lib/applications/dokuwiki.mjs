// DokuWiki of Debian's package, with the plugin qrgate: its zip goes through the extension manager, and its settings through the
// configuration manager, in a browser.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import { newSecret } from '../../../conformance/calls.mjs';
import { launch } from '../browser.mjs';
import { ROOT, responds, start } from '../process.mjs';

const SOURCE = path.join(ROOT, 'integrations/applications/dokuwiki');
const hook = (name) => `/lib/plugins/qrgate/hooks/${name}.php`;
const setting = (name) => `[name="config[plugin____qrgate____${name}]"]`;

/** Fills fields in, presses a button, and waits for the next page. */
async function submit(page, fields, button) {
  for (const [field, value] of Object.entries(fields)) {
    await page.$eval(field, (input, value) => { input.value = value; }, value);
  }
  await Promise.all([page.waitForNavigation(), page.$eval(button, (found) => found.click())]);
}

const signedIn = (page, name) => submit(page, { '#dw__login [name=u]': name, '#dw__login [name=p]': name }, '#dw__login [type=submit]');

/** What an administrator does in the wiki itself, not through qrgate. */
async function asAdministrator(url, act) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`${url}/doku.php?do=login`);
    await signedIn(page, 'admin');
    await act(page, (name) => page.goto(`${url}/doku.php?do=admin&page=${name}`));
  } finally {
    await browser.close();
  }
}

/** The name that the page shows for the person who is signed in, or null. */
const nameOn = (person) => person.page.evaluate(() => document.querySelector('#dokuwiki__usertools .user bdi:last-of-type')?.textContent ?? null);

export default {
  app: 'dokuwiki',
  title: 'DokuWiki',
  undo: true,
  cookie: 'DW*',
  paths: { whoami: hook('whoami'), login: hook('login'), revoke: hook('revoke') },
  users: { active: 'ana', other: 'bob', inactive: 'cleo', unknown: 'nobody', administrator: 'admin' }, // cleo's account was deleted
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  skip: existsSync('/usr/share/dokuwiki/doku.php') ? false : "needs Debian's dokuwiki",

  async build(folder, run) {
    await run(`./build.sh ${folder}`, { cwd: SOURCE });
    return path.join(folder, 'qrgate.zip');
  },

  install: (commands, built) => commands.replace(/^~\/qrgate\/.*$/m, `cp ${built} .`),

  async generate(project, run, { application, servers }) {
    this.url = `http://127.0.0.1:${application}`;
    await run(`${SOURCE}/tests/wiki.sh site`, { cwd: project });
    const words = ['-c', 'site/php.ini', '-S', `127.0.0.1:${application}`, '-t', 'site/wiki'];
    const env = { PHP_CLI_SERVER_WORKERS: '4' }; // several processes, to race for one call
    servers.push(await start('php', words, { cwd: project, env, ready: () => responds(this.url) }));
  },

  async add(project, boxes, { built, gate }) {
    const secret = (await readFile(path.join(project, 'hook.secret'), 'utf8')).trim();
    await asAdministrator(this.url, async (page, open) => {
      await open('extension&tab=install');
      await (await page.$('[name=installfile]')).uploadFile(built);
      await submit(page, {}, '.install [type=submit]');
      assert.match(await page.$eval('.success', (message) => message.textContent), /qrgate installed successfully/);
      await open('config');
      await submit(page, { [setting('secret')]: secret, [setting('origins')]: `${gate} ${gate.replace('localhost', '127.0.0.1')}` }, '[name=submit]');
      assert.match(await page.$eval('.success', (message) => message.textContent), /Settings updated/);
      assert.equal(await page.$eval(setting('secret'), (input) => input.value), '', 'the page does not show the secret');
    });
  },

  async signIn(person, name) {
    await person.open('/doku.php?do=login');
    await signedIn(person.page, name);
  },

  async press(person) {
    await person.press('Sign in on your phone');
    await person.press('Show QR code');
  },

  async hasNoButton(person) {
    assert.equal(await person.page.$('.qrgate'), null);
  },

  async link(person) {
    await person.open('/doku.php?do=login');
    await person.press('Sign in with your phone');
  },

  async signOut(person) {
    await person.open('/doku.php');
    await person.press('Log Out');
  },

  async isSignedInAs(person, name) {
    await person.open('/doku.php');
    assert.equal(await nameOn(person), name);
  },

  async isSignedOut(person) {
    await person.open('/doku.php');
    assert.equal(await nameOn(person), null);
  },

  /** DokuWiki has no block: the administrator deletes the account in the user manager. */
  async block(project, name) {
    await asAdministrator(this.url, async (page, open) => {
      await open('usermanager');
      await page.$eval(`[name="delete[${name}]"]`, (box) => box.click());
      page.on('dialog', (dialog) => dialog.accept());
      await submit(page, {}, '[name="fn[delete]"]');
      assert.match(await page.$eval('.success', (message) => message.textContent), /1 users deleted/);
    });
  },

  /** The same wiki, with two secrets as during a rotation. */
  async alone(project, { gate }) {
    const [secret, oldSecret] = [newSecret(), newSecret()];
    await appendFile(path.join(project, 'site/conf/local.php'), `\n$conf['plugin']['qrgate']['secret'] = '${oldSecret} ${secret}';\n`);
    const { url, paths, cookie, users } = this;
    return { url, ...paths, cookie, users, secret, oldSecret, origins: [gate], stop: () => {} };
  },
};
