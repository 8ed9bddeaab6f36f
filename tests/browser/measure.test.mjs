// Measures the size of each page, and how soon the computer shows what the phone did, with two processes that share only one
// Redis.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { launch } from './lib/browser.mjs';
import { startGate } from './lib/gate.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { freePort, start, temporaryFolder } from './lib/process.mjs';

const ROUNDS = 10;

/** A Redis on a free port. */
async function startRedis() {
  const { folder, remove } = await temporaryFolder();
  const port = await freePort();
  const ready = () => new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); }).on('error', () => done(false));
  });
  const running = await start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], { ready, within: 20_000 });
  return { url: `redis://127.0.0.1:${port}`, stop: async () => { await running.stop(); await remove(); } };
}

describe('two processes on one Redis', () => {
  let app, redis, gates, browsers;
  before(async () => {
    [app, redis] = await Promise.all([startApplication(), startRedis()]);
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    const sections = { store: { url: redis.url }, tickets: { secret } };
    const first = await startGate(app, { host: 'notes.example.com', sections });
    const second = await startGate(app, { host: 'notes.example.com', sections: { ...sections, public: { url: first.origin } } });
    gates = [first, second];
    // The computer's browser reaches the first process, the phone's the second, both by the same address.
    browsers = await Promise.all([launch(), launch('chromium', { resolve: `MAP notes.example.com:${first.port} 127.0.0.1:${second.port}` })]);
  });
  after(async () => {
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    await Promise.all((gates ?? []).map((gate) => gate.stop()));
    await Promise.all([redis?.stop(), app?.stop()]);
  });

  test('the computer shows the phone within 300 ms of its press', async (t) => {
    const [{ origin }] = gates;
    const times = [];
    const computer = await Computer.arrive(browsers[0], origin);
    await computer.signIn('ana', '/login');
    for (let round = 0; round < ROUNDS; round++) {
      await computer.showCode();
      const phone = await Phone.arrive(browsers[1], origin);
      await phone.open(await computer.readCode());
      // Observed from before the press, so that a slow test does not miss the change.
      await computer.page.evaluate(() => {
        window.changed = new Promise((done) => {
          new MutationObserver(() => done(Date.now())).observe(document.querySelector('h1'), { childList: true, characterData: true, subtree: true });
        });
      });
      const pressed = await phone.page.evaluate(() => {
        const now = Date.now();
        document.querySelector('button[value=continue]').click();
        return now;
      });
      times.push(await computer.page.evaluate(() => window.changed) - pressed);
      assert.equal(await computer.heading(), 'Is this your phone?');
      await phone.leave();
    }
    assert.ok(gates[1].output().includes('"event":"ticket.claimed"'), 'the second process took the claim');
    assert.ok(!gates[0].output().includes('"event":"ticket.claimed"'));
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[ROUNDS / 2];
    t.diagnostic(`from the press on the phone to the changed computer: median ${median} ms, all ${sorted.join(', ')} ms`);
    assert.ok(median < 300, `median ${median} ms`);
  });

  test('each page is small as served', async (t) => {
    const [{ origin }] = gates;
    const computer = await Computer.arrive(browsers[0], origin);
    await computer.signIn('ana', '/login');
    const sizes = [];
    const served = (person, name) => person.page.on('response', async (response) => {
      if (!response.url().includes('/qr/') || response.request().resourceType() !== 'document' || response.status() === 303) return;
      const called = name();
      const html = await response.buffer().catch(() => Buffer.alloc(0));
      if (html.length) sizes.push([called, html.length, gzipSync(html).length]);
    });
    let what = 'start';
    served(computer, () => what);
    await computer.open('/qr/');
    what = 'code';
    await computer.press('Show QR code');
    await computer.reads('Only scan this with your own phone.');
    const phone = await Phone.arrive(browsers[1], origin);
    let where = 'confirm';
    served(phone, () => where);
    await phone.open(await computer.readCode());
    where = 'waiting';
    await phone.press('Continue');
    await phone.number();
    await computer.until(() => sizes.length >= 4, () => `sizes of ${sizes}`);
    for (const [name, bytes, zipped] of sizes) {
      t.diagnostic(`${name}: ${(bytes / 1024).toFixed(1)} KiB as served, ${(zipped / 1024).toFixed(1)} KiB if a proxy in front compresses`);
      assert.ok(bytes < 30 * 1024, `${name}: ${bytes} bytes`);
    }
  });
});
