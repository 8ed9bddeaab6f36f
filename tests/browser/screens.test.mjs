// How the two screens behave on small windows, under zoom, by keyboard, and when something is away.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

let app;
before(async () => { app = await startApplication(); });
after(() => app?.stop());

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

  test('asks for two digits in its own words, and takes no more', async () => {
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
