// A site that orders its own certificate: from `qrgate init` and the lines of docs/operations.md to a phone that signs in
// over https, through a renewal, until after the authority has gone. The authority is Pebble; its certificates live for
// seconds, and Chromium verifies them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BROWSERS, launch } from './lib/browser.mjs';
import { startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { missing, startPebble, visit } from './lib/pebble.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT, eventually, start, temporaryFolder } from './lib/process.mjs';
import { claim } from './lib/story.mjs';

const HOST = 'notes.example.com';
/** Of a certificate, in seconds. It is renewed after two thirds. */
const LIFE = 45;

/** The settings of the page for [listen] and [listen.acme], with the ports, folder and authority of this test. */
async function lines(pebble, folder) {
  const page = await readFile(path.join(ROOT, 'docs/operations.md'), 'utf8');
  const [, box] = page.split("## Certificates from Let's Encrypt")[1].match(/^```toml\n(.*?)^```$/ms);
  const [, listen, acme] = box.match(/^\[listen\]\n(.*)^\[listen\.acme\]\n(.*)^\[public\]$/ms); // init has written [public]
  const authority = { folder: path.join(folder, 'acme'), directory: pebble.directory, ca: pebble.ca };
  const more = Object.entries(authority).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join('');
  const ports = listen.replace('[::]:443', `127.0.0.1:${pebble.https}`).replace('[::]:80', `127.0.0.1:${pebble.http}`);
  return { listen: ports, 'listen.acme': acme + more };
}

/** Runs `init`, adds the lines where the file has their section, and starts qrgate; it is ready when https responds. */
async function startSite(app, pebble, folder) {
  const origin = `https://${HOST}:${pebble.https}`;
  await copyFile(app.secretFile, path.join(folder, 'hook.secret')); // `init` keeps it
  const words = ['--application', app.url, '--stack', 'django', '--site', 'Notes', '--public-url', origin];
  execFileSync(BINARY, ['init', ...words], { cwd: folder });
  const file = path.join(folder, 'proxy.toml');
  let config = await readFile(file, 'utf8');
  for (const [section, keys] of Object.entries(await lines(pebble, folder))) {
    const heading = new RegExp(`^#?\\[${section.replace('.', '\\.')}\\]\n`, 'm');
    assert.match(config, heading);
    config = config.replace(heading, () => `[${section}]\n${keys}`);
  }
  await writeFile(file, config);
  const enter = () => visit({ port: pebble.https, host: HOST, ca: pebble.root });
  const ready = () => enter().then(({ status }) => status === 200, () => false);
  const running = await start(BINARY, [], { cwd: folder, env: { QRGATE_LISTEN__ADMIN: 'off' }, ready, within: 30_000 });
  return { ...running, origin, enter };
}

/** Enters again and again, each time over a new connection, until `stop()`. */
function keepEntering(enter) {
  const serials = new Set();
  const failures = [];
  let over = false;
  const enterAll = async () => {
    while (!over) {
      try {
        const { status, serial } = await enter();
        serials.add(serial);
        if (status !== 200) failures.push(`status ${status}`);
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(200); // the pace of the requests; nothing waits for it
    }
  };
  const all = enterAll();
  return { serials, failures, stop: () => { over = true; return all; } };
}

/** The serial number of the certificate that this person's browser was shown. */
async function serialSeenBy({ network, origin }) {
  const { tableNames: [certificate] } = await network.send('Network.getCertificate', { origin });
  return new X509Certificate(Buffer.from(certificate, 'base64')).serialNumber;
}

const skip = missing() || (!BROWSERS.includes('chromium') && 'it needs Chromium');

describe('a site with a certificate by ACME', { skip, timeout: 240_000 }, () => {
  let folder, remove, app, pebble, site, browser, others;
  const people = [];
  before(async () => {
    ({ folder, remove } = await temporaryFolder());
    app = await startExample('django');
    pebble = await startPebble({ https: await app.freeGatePort(), life: LIFE });
    browser = await launch('chromium', { home: pebble.home });
    site = await startSite(app, pebble, folder);
    others = keepEntering(site.enter);
  });
  afterEach(() => Promise.all(people.splice(0).map((person) => person.leave())));
  after(async () => {
    await others?.stop();
    for (const one of [browser && { stop: () => browser.close() }, site, pebble && { stop: pebble.remove }, app]) await one?.stop();
    await remove?.();
  });
  /** Somebody new, whose browser has no connection yet. */
  const arrive = async (kind) => {
    const person = await kind.arrive(browser, site.origin);
    people.push(person);
    person.network = await person.page.createCDPSession();
    await person.network.send('Network.enable'); // before the page loads; otherwise it knows no certificate
    return person;
  };

  test('signs a phone in over https after `init` and the lines of the documentation', async () => {
    const [computer, phone] = [await arrive(Computer), await arrive(Phone)];
    await computer.signIn('ana', app.form);
    const serial = await serialSeenBy(computer);
    assert.ok(await eventually(() => others.serials.has(serial)));
    await computer.press('Sign in on your phone');
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    for (const person of [computer, phone]) person.isContent();
  });

  test('renews it while requests succeed', async () => {
    const [first] = others.serials;
    assert.ok(await eventually(() => others.serials.size > 1, 2 * LIFE * 1000), site.output());
    const visitor = await arrive(Computer);
    assert.equal(await visitor.open('/'), 200);
    const now = await serialSeenBy(visitor);
    assert.notEqual(now, first);
    assert.ok(await eventually(() => others.serials.has(now)));
    assert.deepEqual(others.failures, []);
    visitor.isContent();
  });

  test('serves with the present certificate when the authority has gone', async () => {
    await pebble.stop();
    const { serial } = await site.enter();
    const visitor = await arrive(Computer);
    assert.equal(await visitor.open('/'), 200);
    assert.equal(await serialSeenBy(visitor), serial);
    const hasFailed = () => site.output().includes('certificate not renewed; the present one stays');
    assert.ok(await eventually(hasFailed, LIFE * 1000), site.output());
    const last = await site.enter();
    assert.deepEqual([last.status, last.serial], [200, serial]);
    assert.deepEqual(others.failures, []);
    visitor.isContent();
  });
});
