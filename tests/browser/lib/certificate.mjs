// A site that orders its own certificate, from its visitors' view: they sign in over https, during a renewal, and after the
// authority has stopped. The authority is Pebble; its certificates live for seconds, and Chromium verifies them.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BROWSERS, launch } from './browser.mjs';
import { missing, visit } from './pebble.mjs';
import { Computer, Phone } from './people.mjs';
import { ROOT, eventually } from './process.mjs';
import { claim } from './story.mjs';

/** The lifetime of a certificate, in seconds. It is renewed after two thirds of it. */
export const LIFE = 45;

/**
 * A configuration that `qrgate init` wrote, with the lines of docs/operations.md for [listen] and [listen.acme] where it has these
 * sections. `edit` changes the lines; `authority` has further keys of [listen.acme].
 */
export async function withAcme(config, { edit = (lines) => lines, authority }) {
  const page = await readFile(path.join(ROOT, 'docs/operations.md'), 'utf8');
  const [, box] = page.split("## Certificates from Let's Encrypt")[1].match(/^```toml\n(.*?)^```$/ms);
  const [, listen, acme] = box.match(/^\[listen\]\n(.*)^\[listen\.acme\]\n(.*)^\[public\]$/ms); // init has written [public]
  const more = Object.entries(authority).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join('');
  return Object.entries({ listen: edit(listen), 'listen.acme': acme + more }).reduce((text, [section, keys]) => {
    const heading = new RegExp(`^#?\\[${section.replace('.', '\\.')}\\]\n`, 'm');
    assert.match(text, heading);
    return text.replace(heading, () => `[${section}]\n${keys}`);
  }, config);
}

/** Requests the site repeatedly, each time over a new connection, until `stop()`. */
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
      await sleep(200); // the interval between requests; no assertion depends on it
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

/**
 * The story of a site with a certificate by ACME.
 *
 * - `start(stops)`: starts pebble and the site, which responds by then; adds what ends them to `stops`. Gives `pebble`, the
 *   `origin`, the sign-in page `form`, and `log()`, the log of qrgate
 * - `more(site)`: further tests, once a phone has signed in; `site()` gives what `start` gave
 */
export function tellOfCertificates(title, { skip, start, more = () => {} }) {
  const unable = skip || missing() || (!BROWSERS.includes('chromium') && 'it needs Chromium');
  describe(title, { skip: unable, timeout: 240_000 }, () => {
    let site, browser, others;
    const [people, stops] = [[], []];
    const enter = () => {
      const { hostname, port } = new URL(site.origin);
      return visit({ port: port || 443, host: hostname, ca: site.pebble.root });
    };
    before(async () => {
      site = await start(stops);
      browser = await launch('chromium', { home: site.pebble.home });
      stops.push(() => browser.close());
      const ready = () => enter().then(({ status }) => status === 200, () => false);
      assert.ok(await eventually(ready, 30_000), await site.log());
      others = keepEntering(enter);
      stops.push(others.stop);
    });
    afterEach(() => Promise.all(people.splice(0).map((person) => person.leave())));
    after(async () => {
      for (const stop of stops.reverse()) await stop();
    });
    /** A new person, whose browser has no connection yet. */
    const arrive = async (kind) => {
      const person = await kind.arrive(browser, site.origin);
      people.push(person);
      person.network = await person.page.createCDPSession();
      await person.network.send('Network.enable'); // before the page loads; otherwise it knows no certificate
      return person;
    };

    test('signs a phone in over https after `init` and the lines of the documentation', async () => {
      const [computer, phone] = [await arrive(Computer), await arrive(Phone)];
      await computer.signIn('ana', site.form);
      const serial = await serialSeenBy(computer);
      assert.ok(await eventually(() => others.serials.has(serial)));
      await computer.press('Sign in on your phone');
      const { number } = await claim(computer, phone);
      await computer.typeNumber(number, { follow: false });
      await phone.isSignedInAs('ana');
      for (const person of [computer, phone]) person.isContent();
    });

    more(() => site);

    test('renews it while requests succeed', async () => {
      const [first] = others.serials;
      assert.ok(await eventually(() => others.serials.size > 1, 2 * LIFE * 1000), await site.log());
      const visitor = await arrive(Computer);
      assert.equal(await visitor.open('/'), 200);
      const now = await serialSeenBy(visitor);
      assert.notEqual(now, first);
      assert.ok(await eventually(() => others.serials.has(now)));
      assert.deepEqual(others.failures, []);
      visitor.isContent();
    });

    test('serves with the present certificate after the authority has stopped', async () => {
      await site.pebble.stop();
      const { serial } = await enter();
      const visitor = await arrive(Computer);
      assert.equal(await visitor.open('/'), 200);
      assert.equal(await serialSeenBy(visitor), serial);
      const hasFailed = async () => (await site.log()).includes('certificate not renewed; the present one stays');
      assert.ok(await eventually(hasFailed, LIFE * 1000), await site.log());
      const last = await enter();
      assert.deepEqual([last.status, last.serial], [200, serial]);
      assert.deepEqual(others.failures, []);
      visitor.isContent();
    });
  });
}
