// "Not you? Sign that device out": one press on the page that is still open, with a script and without; and the same in
// front of every example that has a revoke hook.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { EXAMPLES, startExample } from './lib/example.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

const BUTTON = 'Sign that device out';
const FAILED = "That device couldn't be signed out. Try again.";
const withHook = (revoke_path = '/_qr/revoke') => ({ sections: { login: { revoke_path } } });

let named, unnamed;
before(async () => { [named, unnamed] = await Promise.all([startApplication({ names: true }), startApplication()]); });
after(() => Promise.all([named?.stop(), unnamed?.stop()]));

/** From the application's page to a phone that is signed in. */
async function signIn(computer, phone) {
  await computer.showCode();
  const { number } = await claim(computer, phone);
  await computer.typeNumber(number, { follow: false });
  await phone.isSignedInAs('ana');
  await computer.sees('Your phone is signed in');
}

async function isSignedOut(phone) {
  await phone.open('/');
  assert.doesNotMatch(await phone.text(), /You are signed in as/);
}

/** The focused element, and what screen readers announce. */
const told = ({ page }) => page.evaluate(() => ({
  focus: document.activeElement.textContent.trim(),
  says: ['status', 'alert'].map((role) => document.querySelector(`[role=${role}]`).textContent).find(Boolean) ?? '',
}));

inFrontOf('undoing a sign-in', { app: () => named, gate: withHook() }, ({ name, computer: atComputer, phone: withPhone }) => {
  beforeEach(() => Object.assign(named.hook, { revoke: 204, revokes: [] }));

  test('takes one press and no other page', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await signIn(computer, phone);
    await computer.page.evaluate(() => { window.same = true; });
    await computer.press(BUTTON, { follow: false });
    await computer.sees('That device is signed out');
    assert.ok(await computer.page.evaluate(() => window.same), 'without a reload');
    await computer.reads('Safari on iPhone');
    assert.doesNotMatch(await computer.text(), new RegExp(BUTTON));
    const { focus, says } = await told(computer);
    assert.equal(focus, 'That device is signed out');
    assert.match(says, /^That device is signed out\. /);
    await isSignedOut(phone);
    await computer.press('Back to Notes');
    await computer.isSignedInAs('ana');
    for (const person of [computer, phone]) person.isContent();
  });

  test('says when it fails, and can be tried again', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await signIn(computer, phone);
    for (const revoke of [500, 404]) {
      named.hook.revoke = revoke;
      await computer.press(BUTTON, { follow: false });
      await computer.reads(FAILED);
      assert.deepEqual(await told(computer), { focus: BUTTON, says: FAILED });
      assert.equal(await computer.heading(), 'Your phone is signed in');
      await phone.open('/');
      await phone.isSignedInAs('ana');
    }
    named.hook.revoke = 204;
    await computer.press(BUTTON, { follow: false });
    await computer.sees('That device is signed out');
    await isSignedOut(phone);
    assert.equal(new Set(named.hook.revokes.map(({ session }) => session)).size, 1);
    for (const person of [computer, phone]) person.isContent(/502/);
  });

  test('is reached and pressed by keyboard', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await signIn(computer, phone);
    await computer.page.bringToFront(); // Firefox activates nothing in a window without focus
    for (let step = 0; (await told(computer)).focus !== BUTTON; step++) {
      assert.ok(step < 10, 'the button cannot be reached with Tab');
      await computer.page.keyboard.press('Tab');
    }
    await computer.page.keyboard.press('Enter');
    await computer.sees('That device is signed out');
    await isSignedOut(phone);
  });

  test('says how else to sign out when it is too late', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await signIn(computer, phone);
    await computer.page.$eval('[name=desk]', (field) => { field.value = 'A'.repeat(43); });
    await computer.press(BUTTON, { follow: false });
    await computer.reads('Not you? Sign out everywhere in Notes.');
    assert.doesNotMatch(await computer.text(), new RegExp(BUTTON));
    assert.deepEqual(await told(computer), { focus: 'Your phone is signed in', says: 'Not you? Sign out everywhere in Notes.' });
    assert.equal(named.hook.revokes.length, 0);
    computer.isContent(/403/);
  });

  test('works without a script', async () => {
    const [computer, phone] = [await atComputer({ script: false }), await withPhone(false)];
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number);
    await computer.reads('Almost done');
    await phone.reads('Approved on your computer');
    await phone.press('Finish');
    await phone.isSignedInAs('ana');
    await computer.press('Cancel');
    await computer.sees('Too late: Safari on iPhone is signed in');
    named.hook.revoke = 500;
    await computer.press(BUTTON);
    await computer.sees(FAILED);
    named.hook.revoke = 204;
    await computer.press(BUTTON);
    await computer.sees('That device is signed out');
    await isSignedOut(phone);
    for (const person of [computer, phone]) person.isContent(...(name === 'chromium' ? [/409|502/] : []));
  });
});

inFrontOf('a session without a name', { app: () => unnamed, gate: withHook() }, ({ computer: atComputer, phone: withPhone }) => {
  test('is offered no undo', async () => {
    const [computer, phone] = [await atComputer(), await withPhone()];
    await signIn(computer, phone);
    await computer.reads('Not you? Sign out everywhere in Notes.');
    assert.doesNotMatch(await computer.text(), new RegExp(BUTTON));
  });
});

for (const [name, { revoke, fields }] of Object.entries(EXAMPLES).filter(([, { revoke }]) => revoke)) {
  describe(`the ${name} example`, () => {
    let example;
    before(async () => { example = await startExample(name); });
    after(() => example?.stop());

    inFrontOf('its sign-in', { app: () => example, gate: withHook(revoke), browsers: ['chromium'] }, ({ computer: atComputer, phone: withPhone }) => {
      test('can be undone', async () => {
        const [computer, phone] = [await atComputer(), await withPhone()];
        await signIn(computer, phone);
        await computer.press(BUTTON, { follow: false });
        await computer.sees('That device is signed out');
        await isSignedOut(phone);
        await computer.press('Back to Notes');
        await computer.isSignedInAs('ana');
        // WordPress' own pages request pictures from other sites.
        if (!fields) for (const person of [computer, phone]) person.isContent();
      });
    });
  });
}
