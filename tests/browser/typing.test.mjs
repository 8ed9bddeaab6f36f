// A code that is typed instead of scanned: from a computer to a phone, from a phone to a computer, between two phones. Each
// page names the other device by what it is.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startExample } from './lib/example.mjs';
import { inFrontOf } from './lib/story.mjs';

let django;
before(async () => { django = await startExample('django'); });
after(() => django?.stop());
const app = () => django;

const STATUS = (status) => new RegExp(`^console: Failed to load resource: .* status of ${status} `);

/** From the application's own page to the letters of a code. */
async function showLetters(giver) {
  await giver.open('/');
  await giver.press('Sign in on your phone');
  await giver.page.waitForSelector('p.typed', { visible: true });
  const letters = await giver.page.$eval('p.typed', (shown) => shown.innerText.trim());
  assert.match(letters, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
  return letters;
}

/** From the application's sign-in page to the question whether to sign in. */
async function type(receiver, letters) {
  await receiver.open(app().form);
  await receiver.press('Sign in with your phone');
  await enter(receiver, letters);
  await receiver.sees('Sign in to Notes?');
}

async function enter(receiver, letters) {
  await receiver.page.type('#code', letters);
  await receiver.press('Continue');
}

/** The two digits on the page of the device that is signed in, which names the other device. */
async function number(receiver, giver) {
  await receiver.reads(`on your ${giver}`);
  const digits = await receiver.page.$eval('.number', (shown) => shown.innerText.trim());
  assert.match(digits, /^\d{2}$/);
  return digits;
}

async function typeNumber(giver, digits, { follow }) {
  await giver.page.type('#number', digits);
  const click = () => giver.page.$eval('#approve .main', (button) => button.click());
  await (follow ? Promise.all([giver.page.waitForNavigation(), click()]) : click());
}

/** Whether the letters stand above the picture. */
async function lettersFirst(giver) {
  return giver.page.evaluate(() => {
    const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
    return top('p.typed') < top('.code svg');
  });
}

inFrontOf('a code that is typed', { app, browsers: ['chromium'], gate: { sections: { limits: { codes_typed_per_client: '1000/1m' } } } }, (people) => {
  const { computer, phone, visitor } = people;
  const signedIn = async (person) => {
    await person.signIn('ana', app().form);
    await person.isSignedInAs('ana');
    return person;
  };
  const GIVERS = { computer: (script) => computer({ script }), phone: async (script) => signedIn(await phone(script)) };
  const RECEIVERS = { computer: (script) => visitor(script), phone: (script) => phone(script) };

  for (const [from, to] of [['computer', 'phone'], ['phone', 'computer'], ['phone', 'phone']]) {
    for (const script of [true, false]) {
      test(`signs a ${to} in from a ${from}, ${script ? 'with' : 'without'} script`, async () => {
        const giver = await GIVERS[from](script);
        const letters = await showLetters(giver);
        assert.equal(await lettersFirst(giver), from === 'phone', 'a phone shows the letters first, a computer the picture');
        const receiver = await RECEIVERS[to](script);
        await type(receiver, ` ${letters.toLowerCase().replace('-', ' ')} `);
        await receiver.press('Continue');
        const digits = await number(receiver, from);
        if (script) await giver.sees(`Is this your ${to}?`);
        await typeNumber(giver, digits, { follow: !script });
        if (!script) {
          await giver.reads('Almost done');
          await receiver.reads(`on your ${from}`);
          await receiver.press('Finish');
        }
        await receiver.isSignedInAs('ana');
        if (script) await giver.sees(`Your ${to} is signed in`);
        for (const person of [giver, receiver]) person.isContent();
      });
    }
  }

  test('that is mistyped or unknown is asked for again', async () => {
    const receiver = await visitor();
    await receiver.open('/qr/code/?next=/');
    await enter(receiver, 'hello');
    await receiver.reads('eight letters');
    await enter(receiver, 'BBBB-BBBB');
    await receiver.sees('This code does not work here');
    const giver = await computer();
    await enter(receiver, await showLetters(giver));
    await receiver.sees('Sign in to Notes?');
    receiver.isContent(STATUS(400), STATUS(410));
  });
});

inFrontOf('a code that is typed, with approval by phone', { app, browsers: ['chromium'], gate: { sections: { tickets: { approval: 'phone' } } } }, ({ phone, visitor }) => {
  for (const script of [true, false]) {
    test(`signs a computer in by one press, ${script ? 'with' : 'without'} script`, async () => {
      const giver = await phone(script);
      await giver.signIn('ana', app().form);
      await giver.isSignedInAs('ana');
      const letters = await showLetters(giver);
      const receiver = await visitor(script);
      await type(receiver, letters);
      await receiver.press('Continue');
      await receiver.isSignedInAs('ana');
      if (script) await giver.sees('Your computer is signed in');
      for (const person of [giver, receiver]) person.isContent();
    });
  }
});
