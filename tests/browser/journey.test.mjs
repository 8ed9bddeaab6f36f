// The whole journey in a real browser: a code is shown on a computer, read from the screen, opened on a phone, and the
// phone ends up signed in to the application. Also tests every other way a journey can end.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startExample } from './lib/example.mjs';
import { claim, inFrontOf, scan } from './lib/story.mjs';

// Chromium reports a page with status 403, 409 or 410 as a console error; a story that causes one expects it.
const STATUS = (status) => new RegExp(`^console: Failed to load resource: .* status of ${status} `);

let django;
before(async () => { django = await startExample('django'); });
after(() => django?.stop());
const app = () => django;

const another = (number) => String((Number(number) + 1) % 100).padStart(2, '0');

inFrontOf('with approval by number', { app }, ({ computer: atComputer, phone: withPhone, visitor, gate, name }) => {
  test('a person signs in, shows the code, scans it, types the number, and the phone is signed in', async () => {
    const computer = await visitor();
    await computer.open('/qr/');
    assert.equal(new URL(computer.page.url()).pathname, '/login/');
    await computer.signIn('ana');
    await computer.sees('Sign in on your phone');
    await computer.reads('Scan once, and your phone is signed in to Notes as ana. No password.');
    await computer.press('Show QR code');
    await computer.reads('Only scan this with your own phone.');

    const phone = await withPhone();
    const link = await scan(computer, phone);
    await phone.reads('Account a••');
    await phone.reads(name === 'firefox' ? 'Firefox on Linux' : 'Chrome on Linux');
    await phone.press('Continue');
    const number = await phone.number();

    await computer.sees('Is this your phone?');
    await computer.reads('Safari on iPhone');
    assert.equal(await computer.readCode(), '', 'the code is hidden once a phone has it');
    assert.equal(await computer.page.evaluate(() => document.activeElement.id), 'number');
    await computer.typeNumber(number, { follow: false });

    await phone.isSignedInAs('ana');
    await phone.until(() => phone.page.url() === `${gate().origin}/`, () => 'wanted the address of the application');
    await computer.sees('Your phone is signed in');
    await computer.reads('Safari on iPhone');

    const stranger = await withPhone();
    assert.equal(await stranger.open(link), 410);
    await stranger.reads("This QR code can't be used");
    assert.equal(await phone.open(link), 200, 'the device that it signed in is told so');
    await phone.reads("You're signed in");
    for (const person of [computer, phone]) person.isContent();
    stranger.isContent(STATUS(410));
  });

  test('the same works without script on either side', async () => {
    const computer = await atComputer({ script: false });
    await computer.showCode();
    const phone = await withPhone(false);
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number);
    await computer.reads('Almost done');
    await computer.reads('Safari on iPhone');
    await phone.reads('Approved on your computer');
    await phone.press('Finish');
    await phone.isSignedInAs('ana');
    for (const person of [computer, phone]) person.isContent();
  });

  test('the plain form asks for the code to be scanned first, and for two digits', async () => {
    const computer = await atComputer({ script: false });
    await computer.showCode();
    const phone = await withPhone(false);
    const link = await computer.readCode();
    await computer.typeNumber('47');
    await computer.reads('Go back to the QR code');
    await phone.open(link);
    await phone.press('Continue');
    const number = await phone.number();
    await computer.page.$eval('#number', (field) => field.removeAttribute('pattern'));
    await computer.typeNumber('4');
    await computer.reads('Type the two digits your phone shows.');
    await computer.typeNumber(number);
    await computer.reads('Almost done');
    computer.isContent(STATUS(409), STATUS(400));
  });

  for (const script of [true, false]) {
    const how = script ? 'with script' : 'without script';

    test(`a wrong number ends the code, ${how}`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      const { number, link } = await claim(computer, phone);
      if (script) await computer.sees('Is this your phone?');
      await computer.typeNumber(another(number), { follow: !script });
      await computer.sees('Sign-in stopped');
      await computer.reads("That wasn't the right number.");
      await phone.reads("You're not signed in");
      await phone.reads("The number typed on the computer didn't match.");
      assert.equal(await phone.open(link), 410);
      await phone.open('/');
      await phone.reads('You are not signed in.');
      await computer.press('Start again');
      await computer.reads('Show a new code');
      computer.isContent();
      phone.isContent(STATUS(410));
    });

    test(`Cancel on the phone stops it, ${how}`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      await claim(computer, phone);
      await phone.press('Cancel');
      await phone.reads("Cancelled You're not signed in.");
      if (script) {
        await computer.sees('Sign-in stopped');
        await computer.reads('It was cancelled on the phone.');
      }
      await phone.press('Go to Notes');
      await phone.reads('You are not signed in.');
      for (const person of [computer, phone]) person.isContent();
    });

    test(`the computer stops it, ${how}`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      await claim(computer, phone);
      if (script) await computer.sees('Is this your phone?');
      await computer.press(script ? 'Not my phone' : 'Cancel', { follow: !script });
      await computer.sees('Sign-in stopped');
      await phone.reads('It was stopped on the computer.');
      computer.isContent();
      phone.isContent(STATUS(410));
    });
  }

  test('another device that opens the code is told so, and the computer shows it', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const [phone, other] = [await withPhone(), await withPhone()];
    const { link, number } = await claim(computer, phone);
    assert.equal(await other.open(link), 409);
    await other.reads('This QR code is open on another device');
    await computer.reads('Another device opened this QR code too.');
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    other.isContent(STATUS(409));
    for (const person of [computer, phone]) person.isContent();
  });

  test('a phone that is signed in as another user is asked before it is switched', async () => {
    const computer = await atComputer();
    const phone = await withPhone();
    await phone.signIn('bob', '/login/');
    await phone.isSignedInAs('bob');

    await computer.showCode();
    await phone.open(await computer.readCode());
    await phone.reads("You're signed in here as bob. Continue to switch to a••.");
    await phone.press('Keep bob');
    await phone.open('/');
    await phone.isSignedInAs('bob');
    await computer.sees('Sign-in stopped');

    await computer.press('Start again');
    await computer.press('Show a new code');
    await computer.reads('Only scan this with your own phone.');
    await phone.open(await computer.readCode());
    await phone.press('Switch account');
    await computer.typeNumber(await phone.number(), { follow: false });
    await phone.isSignedInAs('ana');
    for (const person of [computer, phone]) person.isContent();
  });

  test('signing out on the computer ends the code', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    const { number } = await claim(computer, phone);
    await computer.inAnotherTab('/logout/');
    await computer.sees('Is this your phone?');
    await computer.typeNumber(number, { follow: false });
    await phone.reads('The computer is signed out of Notes.');
    await computer.sees('Sign-in stopped');
    await computer.reads('This computer is signed out of Notes.');
    computer.isContent();
    phone.isContent(STATUS(410));
  });

  test('a newer code replaces the older one', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const old = await computer.readCode();
    await computer.inAnotherTab('/qr/');
    await computer.sees('A newer QR code is open');
    assert.equal(await computer.readCode(), '');
    const phone = await withPhone();
    assert.equal(await phone.open(old), 410);
    phone.isContent(STATUS(410));
    computer.isContent();
  });

  test('reload and Back on the phone repeat nothing', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    const { number, link } = await claim(computer, phone);
    await phone.page.reload();
    assert.equal(await phone.number(), number);
    await phone.open(link);
    assert.equal(await phone.number(), number);
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    await phone.back();
    await phone.open('/');
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    for (const person of [computer, phone]) person.isContent();
  });

  test('an administrator gets no code', async () => {
    const computer = await atComputer({ name: 'admin' });
    assert.doesNotMatch(await computer.text(), /Sign in on your phone/, 'the package draws no button');
    assert.equal(await computer.open('/qr/'), 403);
    await computer.reads("Phone sign-in isn't available for this account");
    await computer.press('Back to Notes');
    await computer.isSignedInAs('admin');
    computer.isContent(STATUS(403));
  });

  test('the code fits the screen, and Enter on a fresh page does nothing', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    assert.match(link, /\/qr\/[A-Za-z0-9_-]{44}\/$/);
    await computer.page.keyboard.press('Enter');
    await new Promise((done) => setTimeout(done, 500));
    await computer.sees('Sign in on your phone');
    assert.equal(await computer.readCode(), link);
    computer.isContent();
  });

  test('every page of the phone fits a screen 320 px wide', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    await phone.page.setViewport({ width: 320, height: 568, isMobile: true, hasTouch: true });
    const fits = async () => {
      const [wide, room, screen] = await phone.page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return [scrollWidth, clientWidth, innerWidth]; // a scroll bar may take some of it
      });
      assert.ok(wide <= room && screen === 320, `${wide} of ${room} on ${await phone.text()}`);
    };
    await scan(computer, phone);
    await fits();
    await phone.press('Continue');
    await phone.number();
    await fits();
    await phone.press('Cancel');
    await phone.reads("You're not signed in");
    await fits();
  });
});

const SITE = 'N'.repeat(100); // the longest name there may be, in one word

inFrontOf('with a long name', { app, gate: { sections: { pages: { site: SITE } } } }, ({ computer: atComputer, phone: withPhone }) => {
  test('no page is wider than a screen of 320 px', async () => {
    const computer = await atComputer();
    const phone = await withPhone();
    const fits = async ({ page }) => {
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= room, `${wide} of ${room} on ${await page.url()}`);
    };
    for (const { page } of [computer, phone]) await page.setViewport({ width: 320, height: 568 });
    await computer.open('/qr/');
    await fits(computer);
    await computer.press('Show QR code');
    await fits(computer);
    await computer.page.setViewport({ width: 1280, height: 720 });
    await claim(computer, phone, SITE);
    await computer.page.setViewport({ width: 320, height: 568 });
    await fits(phone);
    await phone.press('Cancel');
    await phone.reads("You're not signed in");
    await fits(phone);
    assert.equal(await phone.open('/qr/invalid_code/'), 410);
    await fits(phone);
    await computer.sees('Sign-in stopped');
    await fits(computer);
    assert.equal(await computer.open('/qr/nothing'), 404);
    await fits(computer);
  });
});

inFrontOf('with approval by the phone', { app, gate: { sections: { tickets: { approval: 'phone' } } } }, ({ computer: atComputer, phone: withPhone }) => {
  for (const script of [true, false]) {
    test(`one press on the phone signs it in, ${script ? 'with' : 'without'} script`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      await scan(computer, phone);
      await phone.press('Continue');
      await phone.isSignedInAs('ana');
      if (script) await computer.sees('Your phone is signed in');
      for (const person of [computer, phone]) person.isContent();
    });
  }
});

inFrontOf('with codes of 30 seconds', { app, gate: { sections: { tickets: { lifetime: '30s' } } } }, ({ computer: atComputer, phone: withPhone }) => {
  test('an unscanned code expires on both devices', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    await new Promise((done) => setTimeout(done, 30_000));
    await computer.sees('This QR code has expired');
    await computer.reads('No phone was signed in.');
    assert.equal(await computer.readCode(), '');
    const phone = await withPhone();
    assert.equal(await phone.open(link), 410);
    await phone.reads("This QR code can't be used");
    await computer.press('Show a new code'); // one press, on the page before the code
    await computer.sees('Sign in on your phone');
    assert.notEqual(await computer.readCode(), link);
    computer.isContent(STATUS(404));
    phone.isContent(STATUS(410));
  });
});

// On https qrgate's own cookie is `__Host-`, the session is Secure, and fetch metadata is required. At a private name over
// plain http browsers send no metadata.
for (const [title, example, options, cookie] of [
  ['django at an https address', 'django', { host: 'notes.example.com', https: true }, '__Host-qrgate'],
  ['express at an https address', 'express', { host: 'notes.example.com', https: true }, '__Host-qrgate'],
  ['express at a private name over plain http', 'express', { host: 'notes.local' }, 'qrgate'],
  ['php at a private name over plain http', 'php', { host: 'notes.local' }, 'qrgate'],
]) {
  describe(title, () => {
    let app;
    before(async () => { app = await startExample(example); });
    after(() => app?.stop());

    inFrontOf('behind qrgate', { app: () => app, gate: options }, ({ computer: atComputer, phone: withPhone }) => {
      test('the journey is the same', async () => {
        const computer = await atComputer({ name: 'bob' });
        await computer.showCode();
        const phone = await withPhone();
        const { number } = await claim(computer, phone);
        await computer.sees('Is this your phone?');
        await computer.typeNumber(number, { follow: false });
        await phone.isSignedInAs('bob');
        await computer.sees('Your phone is signed in');
        const cookies = await phone.context.cookies();
        assert.ok(cookies.some(({ name }) => name === cookie));
        const session = cookies.find(({ name }) => name === app.cookie);
        assert.equal(session.secure, Boolean(options.https));
        assert.equal(session.httpOnly, true);
        for (const person of [computer, phone]) person.isContent();
      });
    });
  });
}
