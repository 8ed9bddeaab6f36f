// Phones in practice: previews and scanners that open links, views inside other apps, lost responses, buttons
// pressed twice, sites with a worker, a strict cookie or their own policy.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { startFront } from './lib/front.mjs';
import { claim, inFrontOf, scan } from './lib/story.mjs';

const HTTPS = { host: 'notes.example.com', https: true };

/** A typical service worker: the network first, then a cache. */
const NETWORK_FIRST = (but) => `
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  ${but}
  event.respondWith(fetch(event.request).catch(() => caches.match(event.request)));
});`;

/** Runs a story in front of a site made for it. */
function atASite(title, { site = {}, gate = HTTPS, ...more }, story) {
  describe(title, () => {
    let app;
    before(async () => { app = await startApplication(site); });
    after(() => app?.stop());
    inFrontOf(title, { app: () => app, gate, ...more }, (stage) => story({ ...stage, app: () => app }));
  });
}

/** Visits the site once, which installs its service worker. */
async function haveTheWorker(person) {
  await person.open('/');
  await person.until(() => person.page.evaluate(() => navigator.serviceWorker.controller !== null), () => 'the worker never came');
}

const worker = (but) => ({
  head: "<script>navigator.serviceWorker.register('/worker.js')</script>",
  files: { '/worker.js': { type: 'text/javascript', text: NETWORK_FIRST(but) } },
});

// A slow hook is not yet a failed one.
const PATIENT = { login: { timeout: '60s' } };

atASite('at a site like any other', { gate: { ...HTTPS, sections: PATIENT } }, ({ computer: atComputer, phone: withPhone, app }) => {
  test('a preview, a reader and a scanner with its own browser use no code up', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    const scanner = await withPhone();
    await scanner.open(link);
    await scanner.sees('Sign in to Notes?');
    // It runs every script and waits; only a press continues.
    await scanner.page.evaluate(() => new Promise((done) => requestIdleCallback(done)));
    await scanner.page.reload();
    await scanner.sees('Sign in to Notes?');
    await computer.reads('Only scan this with your own phone.');
    const phone = await withPhone();
    await phone.open(link);
    await phone.press('Continue');
    await computer.sees('Is this your phone?');
    await computer.typeNumber(await phone.number(), { follow: false });
    await phone.isSignedInAs('ana');
  });

  test('a link looked at in an app is finished in the browser that is opened from there', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const inApp = await withPhone();
    const link = await scan(computer, inApp);
    await inApp.press('Opened in the wrong browser?', { follow: false });
    await inApp.reads('The code stays good until you tap Continue.');
    const browser = await withPhone();
    await browser.open(link);
    await browser.press('Continue');
    await computer.sees('Is this your phone?');
    await computer.typeNumber(await browser.number(), { follow: false });
    await browser.isSignedInAs('ana');
    await inApp.page.reload();
    await inApp.reads("This QR code can't be used");
  });

  test('a person who continued in the app reads where to finish, and the later browser signs nobody in', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const inApp = await withPhone();
    const { link, number } = await claim(computer, inApp);
    const browser = await withPhone();
    assert.equal(await browser.open(link), 409);
    await browser.reads('This QR code is open on another device');
    await computer.reads('Another device opened this QR code too.');
    await computer.typeNumber(number, { follow: false });
    await inApp.isSignedInAs('ana');
    await browser.page.reload();
    await browser.reads("This QR code can't be used");
  });

  test('two presses of Finish are one sign-in', async () => {
    const computer = await atComputer({ script: false });
    await computer.showCode();
    const phone = await withPhone(false);
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number);
    await phone.reads('Approved on your computer');
    const before = app().hook.calls.length;
    let respond;
    app().hook.wait = () => new Promise((done) => { respond = done; });
    const { x, y } = await phone.find('Finish'); // while the page waits for a response, it cannot be queried
    await phone.page.mouse.click(x, y);
    await phone.until(() => Boolean(respond), () => 'the hook was never called');
    await phone.page.mouse.click(x, y); // the browser drops the first press, and its response with it
    await phone.sees('Signing you in…');
    app().hook.wait = async () => {};
    respond();
    await phone.sees('Approved on your computer');
    await phone.press('Finish');
    await phone.isSignedInAs('ana');
    assert.equal(app().hook.calls.length - before, 1);
  });

  test('the confirm page cannot be framed, so that nobody presses its button unseen (D22)', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    const phone = await withPhone();
    await phone.open('/');
    const framed = (address) => phone.page.evaluate(async (address) => {
      const frame = document.body.appendChild(document.createElement('iframe'));
      const loaded = new Promise((done) => { frame.onload = done; frame.onerror = done; setTimeout(done, 3000); });
      frame.src = address;
      await loaded;
      try { return frame.contentDocument?.body.innerText ?? ''; } catch { return ''; }
    }, address);
    assert.match(await framed('/login'), /Sign in/, 'a page that may be framed is');
    assert.doesNotMatch(await framed(link), /Continue/);
  });
});

atASite('where the response to Finish gets lost', {
  gate: { front: () => startFront() },
}, ({ computer: atComputer, phone: withPhone, app, gate }) => {
  test('the person opens the link again and is signed in, by the one call there was', async () => {
    const { hook } = app();
    const before = hook.answered;
    gate().front.loses = ({ method, body }) => method === 'POST' && /finish/.test(body);
    const computer = await atComputer({ script: false });
    await computer.showCode();
    const phone = await withPhone(false);
    const { link, number } = await claim(computer, phone);
    await computer.typeNumber(number);
    await phone.reads('Approved on your computer');
    await phone.press('Finish', { follow: false });
    await phone.until(() => hook.answered > before, () => 'the hook was never called');
    await phone.until(() => gate().front.lost > 0, () => 'no response was lost'); // browsers ask again by themselves: that one is lost too
    await phone.until(async () => {
      await phone.page.goto(link).catch(() => {}); // a browser that asks again by itself may still be at it
      return (await phone.heading()) === 'Approved on your computer';
    }, () => 'wanted the page again');
    gate().front.loses = () => false;
    await phone.press('Finish', { follow: false });
    await phone.isSignedInAs('ana');
    assert.equal(hook.answered - before, 1);
    assert.equal(hook.calls.length, hook.answered);
  });
});

atASite('with a network-first worker that spares nothing', { site: worker('') }, ({ computer: atComputer, phone: withPhone }) => {
  test('the computer is told that the worker must leave the ticket path alone', async () => {
    const computer = await atComputer();
    await haveTheWorker(computer);
    await computer.open('/');
    await computer.press('Sign in on your phone');
    await computer.sees('Open the QR code from this page');
    await computer.reads('A service worker of Notes handled this page. It must not intercept /qr/.');
    assert.equal(await computer.readCode(), '');
  });

  test('the phone signs in nevertheless', async () => {
    const computer = await atComputer(); // no worker yet: this is its first page
    await computer.page.evaluate(async () => { for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister(); });
    await computer.open('/qr/');
    await computer.press('Show QR code');
    const link = await computer.readCode();
    const phone = await withPhone();
    await haveTheWorker(phone);
    await phone.open(link);
    await phone.press('Continue');
    await computer.typeNumber(await phone.number(), { follow: false });
    await phone.isSignedInAs('ana');
  });
});

atASite('with a network-first worker that leaves the ticket path alone', {
  site: worker("if (new URL(event.request.url).pathname.startsWith('/qr/')) return;"),
}, ({ computer: atComputer, phone: withPhone }) => {
  test('everything works', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await haveTheWorker(computer);
    await haveTheWorker(phone);
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
  });
});

atASite('at a site that sends no referrer', { site: { fields: { 'referrer-policy': 'no-referrer' } } }, ({ computer: atComputer, phone: withPhone }) => {
  test('the button in its own page shows the code, and the phone signs in', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
  });
});

atASite('at a site whose cookie is strict', { site: { sameSite: 'Strict' } }, ({ computer: atComputer, phone: withPhone }) => {
  test('the way out of the page with the code names nobody, and its button works', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await computer.showCode();
    await computer.press('Cancel', { follow: false });
    await computer.sees('Sign-in stopped');
    await computer.press('Start again');
    await computer.reads('Scan once, and your phone is signed in to Notes.');
    await computer.press('Show a new code');
    await computer.reads('Only scan this with your own phone.');
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
  });
});

atASite('where the landing page leads to another host', {
  site: { files: { '/welcome': (request, response) => response.writeHead(302, { location: `https://other.example.com:${request.headers['x-forwarded-port']}/there` }).end() } },
  gate: { ...HTTPS, sections: { login: { redirect: '/welcome' }, public: { hosts: ['other.example.com'] } } },
}, ({ computer: atComputer, phone: withPhone }) => {
  for (const script of [true, false]) {
    test(`the phone arrives there, ${script ? 'with' : 'without'} script`, async () => {
      const computer = await atComputer({ script });
      const phone = await withPhone(script);
      await computer.showCode();
      const { number } = await claim(computer, phone);
      await computer.typeNumber(number, { follow: !script });
      if (!script) {
        await phone.reads('Approved on your computer');
        await phone.press('Finish');
      }
      await phone.until(() => phone.page.url().startsWith('https://other.example.com:'), () => 'wanted the other host');
      await phone.reads('There is nothing here.');
      await phone.open('/');
      await phone.isSignedInAs('ana');
    });
  }
});
