// Apache httpd in front of qrgate and beside it, with the blocks of docs/behind-a-proxy.md; only ports and files
// are replaced. The same Apache serves the application, the PHP example, with mod_php.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { newSecret } from '../conformance/calls.mjs';
import { setTimeout } from 'node:timers/promises';
import { launch } from './lib/browser.mjs';
import { EXAMPLES } from './lib/example.mjs';
import { certificate, startGate } from './lib/gate.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT, responds, freePort, start, temporaryFolder } from './lib/process.mjs';
import { claim } from './lib/story.mjs';

const HOST = 'app.example.com';
const MODULES = '/usr/lib/apache2/modules';
const PHP = existsSync(MODULES) && readdirSync(MODULES).find((name) => /^libphp.*\.so$/.test(name));
const LOADED = [
  'mpm_prefork', 'authz_core', 'authz_host', 'dir', 'mime', 'alias', 'env', 'setenvif', 'headers', 'socache_shmcb', 'ssl', 'proxy',
  'proxy_http', 'remoteip',
];

/** The boxes for Apache of the page: in front, the site on loopback, beside. */
async function boxes() {
  const page = await readFile(path.join(ROOT, 'docs/behind-a-proxy.md'), 'utf8');
  return [...page.matchAll(/^```apache\n(.*?)^```$/gms)].map(([, box]) => box);
}

/** Starts Apache with `config`, a text of the page, and qrgate behind it. */
async function stage(config) {
  const { folder, remove } = await temporaryFolder();
  await chmod(folder, 0o755);
  const site = path.join(folder, 'site');
  // Apache's user may not be able to read the checkout, to which a copied link would lead.
  const options = { recursive: true, dereference: true, filter: (file) => !/\/(data|hook\.secret)$/.test(file) };
  await cp(path.join(ROOT, 'examples/php'), site, options);
  const [application, port] = [await freePort(), await freePort()];
  const origin = `https://${HOST}:${port}`;
  const secretFile = path.join(folder, 'hook.secret');
  const data = path.join(folder, 'data');
  await writeFile(secretFile, `${newSecret()}\n`);
  await mkdir(data);
  await chmod(data, 0o777);
  certificate(folder, HOST);
  const app = { ...EXAMPLES.php, url: `http://127.0.0.1:${application}`, secretFile };
  let apache;
  const front = async () => ({
    port,
    https: true,
    stop: () => apache?.stop(),
    to: async (gate) => {
      const text = [
        ['/etc/ssl/app.example.com.pem', path.join(folder, 'certificate.pem')], ['/etc/ssl/app.example.com.key', path.join(folder, 'key.pem')],
        ['*:443', `127.0.0.1:${port}`], ['127.0.0.1:8080', `127.0.0.1:${gate}`], ['127.0.0.1:8000', `127.0.0.1:${application}`],
        ['/var/www/html', path.join(site, 'public')], ['/etc/myapp/hook.secret', secretFile], ['https://app.example.com', origin],
      ].reduce((text, [from, to]) => text.replaceAll(from, to), config);
      const file = path.join(folder, 'apache2.conf');
      await writeFile(file, `
ServerRoot ${folder}
PidFile ${folder}/apache2.pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
User www-data
Group www-data
${LOADED.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
LoadModule php_module ${MODULES}/${PHP}
TypesConfig /etc/mime.types
Listen 127.0.0.1:${port}
<FilesMatch "\\.php$">
    SetHandler application/x-httpd-php
</FilesMatch>
<Directory ${site}/public>
    DirectoryIndex index.php
    Require all granted
</Directory>
php_value session.save_path ${data}
SetEnv QRGATE_USED_DIR ${data}/used
${text}`);
      apache = await start('apache2', ['-DFOREGROUND', '-f', file], { ready: () => responds(app.url), within: 20_000 });
    },
  });
  const gate = await startGate(app, { host: HOST, front });
  return { gate, port, stop: async () => { await gate.stop(); await remove(); } };
}

/** A request for exactly this path, with these fields. */
function ask(port, target, { method = 'GET', headers = {} } = {}) {
  return new Promise((done, failed) => {
    const options = { host: '127.0.0.1', port, path: target, method, rejectUnauthorized: false, servername: HOST };
    const call = request({ ...options, headers: { host: `${HOST}:${port}`, ...headers } }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      done({ status: response.statusCode, headers: response.headers, text });
    });
    call.on('error', failed).end();
  });
}

const SPELLINGS = [
  '/_qr.php/whoami', '/_qr.php/login', '/_QR.php/Login', '/%5fqr.php/login', '//_qr.php/whoami', '/a/../_qr.php/whoami', '/.%2f_qr.php/login',
  '/_qr.php;x/whoami', '/index.php/_qr.php/login', '/_qr/login', '/_qr.php',
];

const WAYS = {
  'Apache in front of qrgate, and the site on loopback': ([front, site]) => `${front}\n${site}`,
  'Apache beside qrgate': ([, , beside]) => beside,
};

for (const [title, config] of Object.entries(WAYS)) {
  describe(title, { timeout: 120_000, skip: !PHP && 'apache2 with mod_php is not installed' }, () => {
    let scene, browser;
    before(async () => {
      scene = await stage(config(await boxes()));
      browser = await launch();
    });
    after(async () => {
      await browser?.close();
      await scene?.stop();
    });

    test('a phone is signed in, and qrgate knows its address and the scheme', async () => {
      const { origin } = scene.gate;
      const [computer, phone] = [await Computer.arrive(browser, origin), await Phone.arrive(browser, origin)];
      await computer.signIn('ana', '/login.php');
      await computer.isSignedInAs('ana');
      await computer.press('Sign in on your phone');
      const { number } = await claim(computer, phone);
      await computer.typeNumber(number, { follow: false });
      await phone.isSignedInAs('ana');
      const [session] = (await phone.context.cookies()).filter(({ name }) => name === 'PHPSESSID');
      assert.ok(session.secure, 'the application saw https');
      assert.match(scene.gate.output(), /ticket\.spent.*"phone_address":"127\.0\.0\.1"/);
      assert.doesNotMatch(scene.gate.output(), /not in public\.trusted_proxies/);
    });

    test('forwarded fields of a client are replaced', async () => {
      const headers = { 'x-request-id': 'lies', 'x-forwarded-for': '198.51.100.9', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', forwarded: 'for=198.51.100.9' };
      const { status, headers: { location } } = await ask(scene.port, '/qr/', { headers });
      assert.deepEqual([status, location], [303, '/login.php?next=%2Fqr%2F%3Ffrom%3Dlogin']);
      const line = () => scene.gate.output().split('\n').find((line) => line.includes('"request_id":"lies"'));
      while (!line()) await setTimeout(50); // access lines are written every 100 ms
      assert.match(line(), /"client":"127\.0\.0\.1"/);
    });

    test('no client reaches a hook, however its path is written', async () => {
      for (const target of SPELLINGS) {
        for (const method of ['GET', 'POST']) {
          const { status, text } = await ask(scene.port, target, { method });
          assert.ok([400, 404].includes(status), `${method} ${target}: ${status} ${text}`);
        }
      }
      assert.equal((await ask(scene.port, '/login.php')).status, 200);
    });
  });
}
