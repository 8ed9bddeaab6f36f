// The plug-in qrgate for WordPress: its zip goes through WordPress' own upload form, and the secret into its settings page, in a
// browser. The site is the WordPress example without its qrgate parts.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { newSecret } from '../../../conformance/calls.mjs';
import { launch } from '../browser.mjs';
import { EXAMPLES } from '../example.mjs';
import { ROOT, responds, start } from '../process.mjs';

const { whoami, login, revoke, cookie, users, features } = EXAMPLES.wordpress;

/** The lines and parts of the example that belong to qrgate. */
const PARTS = [/.*qrgate: begin[\s\S]*?qrgate: end.*\n/g, /.*\bqrgate:.*\n/g];

const environment = (project) => ({ DATA: path.join(project, 'data'), SITE: path.join(project, 'data/site'), SOCKET: path.join(project, 'data/db.sock') });

/** Types into the fields of a form, presses its button, and waits for the next page. */
async function submit(page, fields, button) {
  for (const [field, value] of Object.entries(fields)) {
    await page.$eval(field, (input, value) => { input.value = value; }, value); // the sign-in page moves the focus during typing
  }
  await Promise.all([page.waitForNavigation(), page.$eval(button, (found) => found.click())]);
}

const signedIn = (page, name) => submit(page, { '#user_login': name, '#user_pass': name }, '#wp-submit');

export default {
  stack: 'wordpress',
  name: 'qrgate for WordPress',
  cookie,
  paths: { whoami, login, revoke },
  users,
  features: { rotating: true, ...features },
  env: { PHP_CLI_SERVER_WORKERS: '4' }, // several processes, to race for one call
  expected: [/gravatar\.com/, /w\.org/, /ERR_/, /404/, /_ is not defined/], // Debian has scripts of the dashboard in packages of their own

  async build(folder, run) {
    await run(`./build.sh ${folder}`, { cwd: path.join(ROOT, 'integrations/wordpress') });
    return path.join(folder, 'qrgate.zip');
  },

  install: (commands, built) => commands.replace(/^~\/qrgate\/.*$/m, `cp ${built} .`),

  async generate(project, run, { application, servers }) {
    const isOurs = (file) => /\/(data|hook\.secret|proxy\.toml|qrgate)$/.test(file);
    await cp(path.join(ROOT, 'examples/wordpress'), project, { recursive: true, filter: (file) => !isOurs(file) });
    for (const name of ['serve.sh', 'install.php', 'wp-config.php', 'theme/index.php']) {
      const file = path.join(project, name);
      await writeFile(file, PARTS.reduce((text, part) => text.replace(part, ''), await readFile(file, 'utf8')));
    }
    const env = { ...this.env, ...environment(project), HOST: '127.0.0.1', PORT: String(application) };
    await run('mkdir data', { cwd: project });
    servers.push(await start('bash', ['serve.sh'], { cwd: project, env, ready: () => responds(`http://127.0.0.1:${application}/`) }));
  },

  async add(project, boxes, { built, application, gate }) {
    const config = path.join(project, 'data/site/wp-config.php');
    await writeFile(config, (await readFile(config, 'utf8')).replace("defined('ABSPATH')", (line) => `${boxes[0].text}\n${line}`));
    const browser = await launch();
    try {
      const page = await browser.newPage();
      const open = (where) => page.goto(`http://127.0.0.1:${application}/${where}`);
      await open('wp-login.php');
      await signedIn(page, 'admin');
      await open('wp-admin/plugin-install.php?tab=upload');
      await (await page.$('#pluginzip')).uploadFile(built);
      await page.$eval('#install-plugin-submit', (button) => { button.disabled = false; }); // where the dashboard's script fails
      await submit(page, {}, '#install-plugin-submit');
      await submit(page, {}, 'a[href*="action=activate"]');
      await open('wp-admin/options-general.php?page=qrgate');
      const secret = (await readFile(path.join(project, 'hook.secret'), 'utf8')).trim();
      await submit(page, { '#qrgate_hook_secret': secret, '#qrgate_origins': `${gate} ${gate.replace('localhost', '127.0.0.1')}` }, '#submit');
      assert.equal(await page.$eval('#qrgate_hook_secret', (input) => input.value), '', 'the page does not show the secret');
      assert.match(await page.$eval('pre', (box) => box.textContent), /session_cookies = \["wordpress_logged_in_\*"\]/);
    } finally {
      await browser.close();
    }
  },

  async signIn(computer) {
    await computer.page.waitForSelector('#user_login', { visible: true });
    await signedIn(computer.page, 'ana');
    await computer.open('/wp-admin/profile.php');
  },

  /** The same site, with two secrets as during a rotation. */
  async alone(project, { application, gate }) {
    const [secret, oldSecret] = [newSecret(), newSecret()];
    const script = '$_SERVER["HTTP_HOST"] = "localhost"; require getenv("SITE") . "/wp-load.php"; update_option("qrgate_hook_secret", $argv[1]);';
    await promisify(execFile)('php', ['-r', script, `${oldSecret} ${secret}`], { env: { ...process.env, ...environment(project) } });
    return { url: `http://127.0.0.1:${application}`, ...this.paths, cookie, users, secret, oldSecret, origins: [gate], stop: () => {} };
  },
};
