// A hostile script of the application tries every way to get at a code. Each way is first tried on the same page without
// protection, where it must succeed, or the test would prove nothing.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mintFor, startApplication } from './lib/application.mjs';
import { ATTACKS, ATTACK_PAGE, MENTIONS, MENTIONS_OF_CHROMIUM, WORKER } from './lib/attacks.mjs';
import { BROWSERS, launch } from './lib/browser.mjs';
import { startGate } from './lib/gate.mjs';
import { eventually } from './lib/process.mjs';

/** Values that sign a person in, or let a script read or control the sign-in. */
const LOOT = /name="desk" value="[\w-]{43}"|\/qr\/status\/[\w-]{43}|\/qr\/[\w-]{44}\//;

for (const name of BROWSERS) {
  describe(`a hostile script, in ${name}`, { concurrency: 2 }, () => {
    let app, https, localhost, browser;
    const mentioned = new Set();
    before(async () => {
      app = await startApplication({
        files: {
          '/attack': { text: ATTACK_PAGE },
          '/worker.js': { type: 'text/javascript', text: WORKER },
          // The page with the code in response to any request, without protective fields.
          '/bare/': async (request, response, url) => {
            mentioned.add(url.searchParams.get('by'));
            response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'max-age=60' });
            response.end(await mintFor(request, request.headers.host.startsWith('localhost') ? localhost : https));
          },
        },
      });
      https = await startGate(app, { host: 'notes.example.com', https: true });
      localhost = await startGate(app);
      browser = await launch(name);
    });
    after(async () => {
      await browser?.close();
      await Promise.all([https?.stop(), localhost?.stop()]);
      await app?.stop();
    });

    let people = 0;
    /** Opens the page of the attacks as a separate user; `then` uses it. */
    async function attacked(gate, then, { elsewhere = false } = {}) {
      const user = `user${++people}`;
      const context = await browser.createBrowserContext();
      try {
        const { hostname, protocol } = new URL(gate.origin);
        await context.setCookie({ name: 'session', value: app.signedIn(user), domain: hostname, path: '/', httpOnly: true, secure: protocol === 'https:', sameSite: 'Lax' });
        const pages = [];
        for (let n = elsewhere ? 2 : 1; n > 0; n--) {
          // Each attack gets a window: Firefox fails when the last tab of an attack's window closes.
          pages.unshift(await context.newPage({ type: 'window' }));
          await pages[0].goto(`${gate.origin}/attack`);
        }
        const [page] = pages;
        await then({
          page,
          loot: async () => (await Promise.all(pages.map((one) => one.evaluate(() => loot).catch(() => [])))).flat().join('\n'),
          made: () => gate.output().split('\n').filter((line) => line.includes('"ticket.issued"') && line.includes(`"user":"${user}"`)).length,
        });
      } finally {
        await context.close();
      }
    }

    for (const { run, posts = false, cached = false, elsewhere = false, ...attack } of ATTACKS.filter(({ only }) => !only || only === name)) {
      test(`${attack.name} gets a bare page and not the code`, async () => {
        const gate = cached ? localhost : https;
        await attacked(gate, async ({ page, loot }) => {
          await page.evaluate(run, '/bare/').catch(leaves);
          assert.ok(await eventually(async () => LOOT.test(await loot())), `the attack does not even work on a bare page: ${shown(await loot())}`);
        }, { elsewhere });
        await attacked(gate, async ({ page, loot, made }) => {
          await page.evaluate(run, '/qr/').catch(leaves);
          // An attack that can make a code has failed only if a code was made.
          if (posts) await eventually(() => made() > 0, 5000);
          assert.equal(await eventually(async () => LOOT.test(await loot()), 1500), false, shown(await loot()));
          if (!posts) assert.equal(made(), 0, 'no code was made');
        }, { elsewhere });
      });
    }

    test('mentioning the address in any element, header or API makes no code', async () => {
      const mentions = { ...(name === 'chromium' ? MENTIONS_OF_CHROMIUM : {}), ...MENTIONS };
      const mention = async (page, target) => {
        for (const [by, run] of Object.entries(mentions)) {
          await page.evaluate(run, `${target}?by=${encodeURIComponent(by)}`).catch(leaves);
        }
      };
      await attacked(https, async ({ page, made }) => {
        await mention(page, '/bare/');
        const missing = () => Object.keys(mentions).filter((by) => !mentioned.has(by));
        await eventually(() => missing().length === 0);
        assert.deepEqual(missing(), [], 'each of them makes the browser send a request');
        assert.ok(made() >= missing().length);
      });
      const asked = () => https.output().split('"path":"/qr/"').length - 1;
      const before = asked();
      await attacked(https, async ({ page, made }) => {
        const all = () => asked() - before >= Object.keys(mentions).length;
        // One mention may cancel another that is still under way.
        for (let round = 0; round < 3 && !all(); round += 1) {
          await mention(page, '/qr/');
          await eventually(all);
        }
        assert.ok(all(), 'the browser sends the request');
        assert.equal(made(), 0);
      });
    });

    test('a script that knows no capability can neither watch nor approve (D27)', async () => {
      await attacked(https, async ({ page }) => {
        const status = (address, desk) => page.evaluate(async (address, desk) => {
          const body = desk && `desk=${desk}&decision=decline`;
          return (await fetch(address, body ? { method: 'POST', body } : {})).status;
        }, address, desk);
        const html = await page.evaluate(async () => (await fetch('/bare/')).text());
        const [, desk] = /name="desk" value="([\w-]{43})"/.exec(html);
        const [view] = /\/qr\/status\/[\w-]{43}/.exec(html);
        assert.deepEqual([await status(view), await status('/qr/approve', desk)], [200, 200], 'a script that has the capabilities can');
        const guess = 'A'.repeat(43);
        assert.deepEqual([await status(`/qr/status/${guess}`), await status('/qr/approve', guess)], [404, 403]);
      });
    });
  });
}

/** The attack may leave the page it runs in. */
const leaves = (error) => {
  if (!/context|destroyed|closed|detached|navigat|discarded|actor/i.test(error.message)) throw error;
};

const shown = (text) => text.replace(/\s+/g, ' ').slice(0, 600);
