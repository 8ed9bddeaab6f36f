// The choice of how long the new session lasts: on the page with the code, and with approval by the phone on the phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { claim, inFrontOf, scan } from './lib/story.mjs';

const login = { stay: ['browser', '8h', '14d'] };

let application;
before(async () => { application = await startApplication(); });
after(() => application?.stop());
const app = () => application;
const told = () => application.hook.calls.at(-1).stay;

/** The state of the choice: its label, its options, the chosen one, and whether it fits its screen. */
const choice = ({ page }) => page.evaluate(() => {
  const select = document.querySelector('#stay');
  const { height, right } = select.getBoundingClientRect();
  return {
    label: select.labels[0].innerText, options: [...select.options].map((one) => one.text), chosen: select.value,
    fits: right <= innerWidth && height >= 44,
  };
});
const OFFERED = {
  label: 'Stay signed in', options: ['Until the browser closes', '8 hours', '14 days'], chosen: 'browser', fits: true,
};

/** Tabs from the focus to the choice and moves it by this many options. */
async function chooseByKey({ page }, places) {
  for (let step = 0; !(await page.evaluate(() => document.activeElement.id === 'stay')); step++) {
    assert.ok(step < 10, 'the choice cannot be reached with Tab');
    await page.keyboard.press('Tab');
  }
  for (let place = 0; place < places; place++) await page.keyboard.press('ArrowDown');
}

inFrontOf('lengths of session', { app, gate: { sections: { login } } }, ({ computer: atComputer, phone: withPhone }) => {
  for (const script of [true, false]) {
    const how = script ? 'with script' : 'without script';

    test(`are chosen by keyboard beside the number, ${how}`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const isShown = () => computer.page.evaluate(() => document.querySelector('#stay').checkVisibility());
      if (script) await computer.until(async () => !(await isShown()), () => 'there is nothing to choose before a phone has the code');
      const phone = await withPhone(script);
      const { number } = await claim(computer, phone);
      await computer.until(isShown, () => 'wanted to choose a length');
      for (const width of [320, 1280]) {
        await computer.page.setViewport({ width, height: 720 });
        assert.deepEqual(await choice(computer), OFFERED);
      }
      await computer.page.type('#number', number);
      await chooseByKey(computer, 1);
      await computer.press('Yes, sign it in', { follow: !script });
      if (!script) {
        await phone.reads('Approved on your computer');
        await phone.press('Finish');
      }
      await phone.isSignedInAs('ana');
      assert.equal(told(), 28_800);
      for (const person of [computer, phone]) person.isContent();
    });

    test(`need no choice: the first is taken, ${how}`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      const { number } = await claim(computer, phone);
      await computer.typeNumber(number, { follow: !script });
      if (!script) {
        await phone.reads('Approved on your computer');
        await phone.press('Finish');
      }
      await phone.isSignedInAs('ana');
      assert.equal(told(), 'browser');
    });
  }

  test('stay chosen after a number that is no number, without script', async () => {
    const computer = await atComputer({ script: false });
    await computer.showCode();
    const phone = await withPhone(false);
    const { number } = await claim(computer, phone);
    await computer.page.$eval('#number', (field) => field.removeAttribute('pattern'));
    await computer.page.type('#number', '4');
    await chooseByKey(computer, 2);
    await computer.press('Yes, sign it in');
    await computer.reads('Type the two digits your phone shows.');
    assert.deepEqual(await choice(computer), { ...OFFERED, chosen: '14d' });
    await computer.typeNumber(number);
    await computer.reads('Almost done');
    await phone.reads('Approved on your computer');
    await phone.press('Finish');
    await phone.isSignedInAs('ana');
    assert.equal(told(), 1_209_600);
  });
});

const byPhone = { login, tickets: { approval: 'phone' } };

inFrontOf('lengths of session on the phone', { app, gate: { sections: byPhone } }, ({ computer: atComputer, phone: withPhone }) => {
  for (const script of [true, false]) {
    test(`are part of its question, ${script ? 'with' : 'without'} script`, async () => {
      const computer = await atComputer({ script });
      await computer.showCode();
      const phone = await withPhone(script);
      await phone.page.setViewport({ width: 320, height: 568, isMobile: true, hasTouch: true });
      await scan(computer, phone);
      assert.deepEqual(await choice(phone), OFFERED);
      await chooseByKey(phone, 2);
      await phone.press('Continue');
      await phone.isSignedInAs('ana');
      assert.equal(told(), 1_209_600);
      for (const person of [computer, phone]) person.isContent();
    });
  }
});
