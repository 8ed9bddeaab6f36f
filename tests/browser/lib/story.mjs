// Shared by the stories: the setup, and their common first steps.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';
import { startGate } from './gate.mjs';
import { BROWSERS, Shelf } from './browser.mjs';
import { Computer, Phone } from './people.mjs';

/**
 * Runs `story` in each of `browsers`, in a describe block with a separate gate in front of `app()`, which is running
 * by then. The people of a story are closed after each test. `dark`: Firefox is started with that theme.
 */
export function inFrontOf(title, { app, gate: options, browsers = BROWSERS, dark = false }, story) {
  for (const name of browsers.filter((name) => BROWSERS.includes(name))) {
    describe(`${title}, in ${name}`, () => tell(name, { app, options, dark }, story));
  }
}

function tell(name, { app, options, dark }, story) {
  let gate;
  const shelf = new Shelf(name, { dark });
  const people = [];
  before(async () => { gate = await startGate(app(), options); });
  after(() => Promise.all([shelf.close(), gate?.stop()]));
  afterEach(() => Promise.all(people.splice(0).map((person) => person.leave())));
  const arrive = async (kind, script = true) => {
    const person = await kind.arrive(await shelf.take(script), gate.origin, { script });
    people.push(person);
    return person;
  };
  story({
    name,
    gate: () => gate,
    phone: (script) => arrive(Phone, script),
    /** A computer whose person is signed in. */
    computer: async ({ script = true, name = 'ana', form = app().form } = {}) => {
      const computer = await arrive(Computer, script);
      await computer.signIn(name, form, app().fields);
      await computer.isSignedInAs(name);
      return computer;
    },
    visitor: (script) => arrive(Computer, script),
  });
}

/** From the code on the screen to the phone's question, which names the site; gives the address in the code. */
export async function scan(computer, phone, site = 'Notes') {
  const link = await computer.readCode();
  assert.match(link, new RegExp(`^${computer.origin}(/[a-z]+)?/qr/[A-Za-z0-9_-]{44}/$`));
  assert.equal(await phone.open(link), 200);
  await phone.sees(`Sign in to ${site}?`);
  return link;
}

/** From the code on the screen to the number on the phone. */
export async function claim(computer, phone, site) {
  const link = await scan(computer, phone, site);
  await phone.press('Continue');
  return { link, number: await phone.number() };
}
