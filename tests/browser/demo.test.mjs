// `qrgate demo` from its sign-in page to the signed-in phone, in light and dark.

import assert from 'node:assert/strict';
import axe from 'axe-core';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './lib/browser.mjs';
import { BINARY } from './lib/gate.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT, responds, freePort, start } from './lib/process.mjs';
import { claim } from './lib/story.mjs';

const ARRIVED = 'Signed in by scanning, a moment ago, from Chrome on Linux. No password typed.';
const LEVELS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

describe('the demo', () => {
  let browser, demo, origin, port;
  const people = [];
  before(async () => {
    port = await freePort();
    origin = `http://notes.example.com:${port}`;
    const args = ['demo', '--listen', `127.0.0.1:${port}`, '--public-url', origin];
    [browser, demo] = await Promise.all([
      launch(), start(BINARY, args, { ready: () => responds(`http://127.0.0.1:${port}/`), within: 20_000 }),
    ]);
  });
  after(async () => {
    for (const person of people) await person.leave();
    await Promise.all([browser?.close(), demo?.stop()]);
  });
  const arrive = async (kind, at = origin) => {
    const person = await kind.arrive(browser, at);
    people.push(person);
    return person;
  };
  const ana = async (at) => {
    const computer = await arrive(Computer, at);
    await computer.open('/');
    await computer.press('Ana Lindqvist');
    return computer;
  };

  test('brings a person from a button to their notes on the phone', async () => {
    const computer = await ana();
    await computer.press('Sign in on your phone');
    const phone = await arrive(Phone);
    const { number } = await claim(computer, phone);
    await computer.page.waitForSelector('#number', { visible: true });
    await computer.typeNumber(number, { follow: false });
    await phone.reads(ARRIVED);
    assert.equal(await phone.heading(), 'Ana Lindqvist');
    assert.doesNotMatch(await phone.text(), /on your phone/, 'this is the phone');
    await isAccessible(phone, 'the notes on the phone');
    await computer.press('Sign that device out', { follow: false });
    await computer.sees('That device is signed out');
    await phone.open('/');
    await phone.reads('Sign in to Notes');
    for (const person of [computer, phone]) person.isContent();
  });

  test('signs a computer in with a phone', async () => {
    const phone = await arrive(Phone);
    await phone.open('/');
    await phone.press('Ana Lindqvist');
    await isAccessible(phone, 'the notes on a phone that signed in by itself');
    await phone.press('Show the code');
    const typed = await phone.page.$eval('p.typed', (code) => code.innerText);
    const computer = await arrive(Computer);
    await computer.open('/');
    await computer.press('Sign in with your phone');
    await computer.page.type('#code', typed);
    await Promise.all([computer.page.waitForNavigation(), computer.page.keyboard.press('Enter')]);
    await Promise.all([computer.page.waitForNavigation(), computer.page.click('button[value=continue]')]);
    const number = await computer.page.$eval('.number', (number) => number.innerText);
    await phone.page.waitForSelector('#number', { visible: true });
    await phone.page.type('#number', number);
    await phone.page.keyboard.press('Enter');
    await computer.reads('Signed in with a code, a moment ago, from Safari on iPhone. No password typed.');
    for (const person of [computer, phone]) person.isContent();
  });

  test('is accessible, and dark where the system is', async () => {
    const computer = await arrive(Computer);
    await computer.open('/');
    await isAccessible(computer, 'the sign-in page');
    await computer.press('Bob Okafor');
    await isAccessible(computer, 'the notes');
    await computer.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    assert.equal(await computer.page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(17, 19, 23)');
    computer.isContent();
  });

  test('leads from localhost to the address that a phone can open, and draws no code there', async () => {
    const computer = await ana(`http://localhost:${port}`);
    await computer.reads(`Open ${origin} to try it with your phone`);
    assert.equal(await computer.open('/qr/'), 421);
    await computer.sees("A phone can't open this address");
    assert.equal(await computer.readCode(), '');
    assert.equal(await computer.page.$eval('.card a', (link) => link.href), `${origin}/`);
    await isAccessible(computer, 'the page at localhost');
  });

  test('has a button to copy that breaks no rule on a page of another style', async () => {
    const shown = (await readFile(path.join(ROOT, 'docs/button.md'), 'utf8')).split('```html\n')[1].split('```')[0];
    const page = await browser.newPage();
    await page.setViewport({ width: 390, height: 844 });
    await page.setContent(`<!doctype html><html lang="en"><title>Settings</title><style>:root { color-scheme: light dark }</style><main><h1>Settings</h1>${shown}</main>`);
    await isAccessible({ page }, 'the button');
    assert.deepEqual(await page.$eval('form', (form) => [form.method, form.getAttribute('action')]), ['post', '/qr/']);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it fits a phone');
    await page.close();
  });

  test('prints the address for both devices', () => {
    assert.match(demo.output(), new RegExp(`On computer and phone +${origin}\n`));
  });
});

/** The page breaks no rule of axe in either theme. */
async function isAccessible({ page }, what) {
  await page.evaluate(axe.source);
  for (const value of ['dark', 'light']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
    const { violations } = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), LEVELS);
    assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`)), [], `${what}, ${value}`);
  }
}
