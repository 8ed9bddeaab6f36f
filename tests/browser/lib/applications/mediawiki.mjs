// MediaWiki of Debian's package, with the extension QRGate.

import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newSecret } from '../../../conformance/calls.mjs';
import { ROOT, responds, start } from '../process.mjs';

const SOURCE = path.join(ROOT, 'integrations/applications/mediawiki');
const SPECIAL = '/index.php?title=Special:QRGate';
const SIGN_IN = '/index.php?title=Special:UserLogin&returnto=Special:QRGate';

const wiki = (project) => path.join(project, 'wiki');
const settings = (project) => path.join(wiki(project), 'LocalSettings.php');

export default {
  app: 'mediawiki',
  title: 'MediaWiki',
  undo: true,
  cookie: 'my_wiki_session',
  paths: { whoami: '/rest.php/qrgate/v1/whoami', login: '/rest.php/qrgate/v1/login', revoke: '/rest.php/qrgate/v1/revoke' },
  users: { active: '3', other: '4', inactive: '5', administrator: '1' },
  features: { rotating: true, version: 1, administrator: true, authTime: true, revoke: true },

  build: async () => path.join(SOURCE, 'QRGate'),

  async generate(project, run, { application, servers }) {
    const [folder, url] = [wiki(project), `http://127.0.0.1:${application}`];
    await run(`${SOURCE}/tests/wiki.sh ${folder} ${url}`, { cwd: project });
    const env = { MW_INSTALL_PATH: folder, PHP_CLI_SERVER_WORKERS: '4' }; // several processes, to race for one call
    const words = ['-d', 'opcache.revalidate_freq=0', '-S', `127.0.0.1:${application}`, '-t', folder];
    servers.push(await start('php', words, { cwd: folder, env, ready: () => responds(url) }));
  },

  async add(project, boxes, { gate }) {
    const secret = (await readFile(path.join(project, 'hook.secret'), 'utf8')).trim();
    await appendFile(settings(project), boxes.map(({ text }) => text).join('').replace('whsec_…', secret));
    const proxy = path.join(project, 'proxy.toml');
    await writeFile(proxy, (await readFile(proxy, 'utf8')).replace('http://localhost:8080', gate)); // another port
  },

  install: (commands, built) => commands.replace(/^cp -rL .*$/m, `cp -rL ${built} wiki/extensions/`),

  async signIn(person, name) {
    await person.open(SIGN_IN);
    await person.page.type('#wpName1', name);
    await person.page.type('#wpPassword1', `correct horse ${name}`);
    await Promise.all([person.page.waitForNavigation(), person.page.click('#wpLoginAttempt')]);
  },

  async press(person) {
    await person.press('Sign in on your phone'); // the button; then the link in the menu
  },

  async hasNoButton(person) {
    await person.reads("Phone sign-in isn't available for this account");
    assert.equal(await person.page.$('#pt-qrgate'), null);
  },

  async link(person) {
    await person.open(SIGN_IN);
    await person.press('Sign in with your phone');
  },

  async signOut(person) {
    await person.open(SPECIAL);
    await person.press('Log out');
  },

  async isSignedInAs(person, name) {
    await person.open(SPECIAL); // of other pages the browser may have a copy
    assert.equal((await person.page.evaluate('RLCONF.wgUserName')).toLowerCase(), name);
  },

  async isSignedOut(person) {
    await person.open(SPECIAL);
    assert.match(person.page.url(), /UserLogin/);
  },

  block: (project, name, run) =>
    run(`echo ${name[0].toUpperCase()}${name.slice(1)} | MW_INSTALL_PATH=${wiki(project)} php wiki/maintenance/blockUsers.php --performer=Admin`, { cwd: project }),

  /** The same wiki, with two secrets as during a rotation. */
  async alone(project, { application, gate }) {
    const [secret, oldSecret] = [newSecret(), newSecret()];
    await appendFile(settings(project), `\n$wgQRGateSecret = [ '${oldSecret}', '${secret}' ];\n`);
    return { url: `http://127.0.0.1:${application}`, ...this.paths, cookie: this.cookie, users: this.users, secret, oldSecret, origins: [gate], stop: () => {} };
  },
};
