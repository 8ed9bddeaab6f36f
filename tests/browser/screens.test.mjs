// The two screens in small windows, under zoom, by keyboard, and while the application or the store is unreachable.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

let app, strict;
before(async () => { [app, strict] = await Promise.all([startApplication(), startApplication({ sameSite: 'Strict' })]); });
after(() => Promise.all([app?.stop(), strict?.stop()]));

inFrontOf('the page with the code', { app: () => app, gate: { host: 'notes.local' } }, ({ computer: atComputer, phone: withPhone }) => {
  for (const [width, height] of [[720, 450], [320, 568]]) {
    test(`has the whole code within the first screen at ${width} by ${height}`, async () => {
      const computer = await atComputer();
      await computer.page.setViewport({ width, height });
      await computer.showCode();
      const { top, bottom, left, right } = await computer.page.$eval('#code svg', (svg) => svg.getBoundingClientRect().toJSON());
      assert.ok(top >= 0 && bottom <= height && left >= 0 && right <= width, `${top} to ${bottom}, ${left} to ${right}`);
      assert.match(await computer.readCode(), /\/qr\/[A-Za-z0-9_-]{44}\/$/);
    });
  }

  test('moves the focus only among what can be seen while the code is enlarged', async () => {
    const computer = await atComputer();
    await computer.showCode();
    await computer.press('Enlarge', { follow: false });
    for (let step = 0; step < 6; step++) {
      await computer.page.keyboard.press('Tab');
      const hidden = await computer.page.evaluate(() => {
        const one = document.activeElement;
        if (one === document.body || one === document.documentElement) return '';
        const { x, y, width, height } = one.getBoundingClientRect();
        const above = document.elementFromPoint(x + width / 2, y + height / 2);
        return one.contains(above) ? '' : `${one.outerHTML} lies under ${above?.outerHTML.slice(0, 80)}`;
      });
      assert.equal(hidden, '');
    }
    await computer.page.keyboard.press('Escape');
    assert.equal(await computer.page.evaluate(() => document.querySelectorAll('[inert]').length), 0);
  });

  test('asks for two digits with its own message, and accepts no more', async () => {
    const computer = await atComputer();
    await computer.showCode();
    await claim(computer, await withPhone());
    await computer.page.waitForSelector('#number', { visible: true });
    await computer.page.type('#number', '7');
    await computer.page.keyboard.press('Enter');
    await computer.reads('Type the two digits your phone shows.');
    await computer.page.type('#number', 'x89');
    assert.equal(await computer.page.$eval('#number', (field) => field.value), '78');
    assert.equal(await computer.page.$eval('#problem', (problem) => problem.textContent), '');
  });
});

inFrontOf('an expired or finished code', { app: () => strict, gate: { host: 'notes.local', sections: { tickets: { lifetime: '30s' } } } }, ({ computer: atComputer, phone: withPhone }) => {
  test('has a way back on which browsers send SameSite=Strict cookies', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number, { follow: false });
    await computer.sees('Your phone is signed in');
    await computer.press('Back to Notes');
    await computer.isSignedInAs('ana');
  });

  test('is one press away from a new one', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const old = await computer.readCode();
    await new Promise((done) => setTimeout(done, 30_000));
    await computer.sees('This QR code has expired');
    await computer.press('Show a new code');
    await computer.sees('Sign in on your phone');
    assert.notEqual(await computer.readCode(), old);
  });
});

inFrontOf('both screens', { app: () => app, gate: { host: 'notes.local' } }, ({ computer: atComputer, phone: withPhone, name }) => {
  test('say at once that a phone opened the code, and keep every text under wider spacing (WCAG 2.2, 1.4.12)', async () => {
    const computer = await atComputer();
    await computer.showCode();
    await computer.reads('Waiting for your phone');
    const phone = await withPhone();
    await phone.open(await computer.readCode());
    await computer.reads('A phone opened the QR code.');
    for (const { page } of [computer, phone]) {
      await page.evaluate(() => {
        for (const one of document.querySelectorAll('body *')) {
          Object.assign(one.style, { lineHeight: '1.5', letterSpacing: '.12em', wordSpacing: '.16em' });
        }
      });
      const cut = await page.evaluate(() => [...document.querySelectorAll('body :not(.unseen, script, template, svg *, .bar *)')]
        .filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 80)));
      assert.deepEqual(cut, []);
    }
  });

  test('fit a window of 320 px, as at 400 % zoom, and do not move with reduced motion', async () => {
    const computer = await atComputer();
    await computer.page.setViewport({ width: 320, height: 256 });
    await computer.showCode();
    const { wide, moving } = await computer.page.evaluate(() => ({
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      moving: document.getAnimations().length,
    }));
    assert.ok(wide <= 0, `${wide} px too wide`);
    assert.equal(moving, 0, name);
  });
});

inFrontOf('with an application that has stopped', { app: () => app }, ({ computer: atComputer }) => {
  test('the page before the code says so, and does not say that it works', async () => {
    const computer = await atComputer();
    const { whoami } = app;
    app.files[whoami] = (request) => request.socket.destroy();
    try {
      assert.equal(await computer.open('/qr/'), 503);
      await computer.sees("Notes isn't responding");
      assert.equal((await computer.text()).includes('itself works'), false);
    } finally {
      delete app.files[whoami];
    }
  });
});
