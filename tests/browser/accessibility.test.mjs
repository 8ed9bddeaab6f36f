// Checks every page, light and dark, by axe's rules for WCAG 2.2 AA; and what no rule covers: the focus, the tab order, what
// screen readers announce.

import assert from 'node:assert/strict';
import axe from 'axe-core';
import { after, before, describe, test } from 'node:test';
import { BROWSERS, launch, prefer } from './lib/browser.mjs';
import { startExample } from './lib/example.mjs';
import { render, show } from './lib/pages.mjs';
import { claim, inFrontOf, scan } from './lib/story.mjs';

const LEVELS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let django;
before(async () => { django = await startExample('django'); });
after(() => django?.stop());

/** The findings of axe in the current state of the page. */
async function violations(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), LEVELS);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}

/** The current state of the page breaks no rule: in Chromium in either theme, in Firefox in the one it was started with. */
async function isAccessible({ page, script }, what) {
  const chromium = (await page.browser().version()).startsWith('Chrome');
  if (chromium) await page.setJavaScriptEnabled(true); // axe is one; the page's own, if it had to do without, does not start late
  for (const theme of chromium ? ['light', 'dark'] : ['']) {
    if (theme) await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    assert.deepEqual(await violations(page), [], `${what}, ${theme}`);
  }
  if (chromium) await page.setJavaScriptEnabled(script);
}

describe('every page in every state', () => {
  let pages;
  before(async () => { pages = (await render()).filter(({ language }) => language === 'en'); });
  for (const name of BROWSERS) {
    for (const theme of ['light', 'dark']) {
      test(`breaks no rule in ${name}, ${theme}`, async () => {
        const browser = await launch(name, { dark: theme === 'dark' });
        try {
          const page = await browser.newPage();
          await page.setViewport({ width: 1280, height: 720 });
          if (name === 'chromium') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
          for (const { number, template, html, states } of pages) {
            for (const state of states) {
              await show(page, html, state);
              assert.deepEqual(await violations(page), [], `${number} ${template} ${state}`);
            }
          }
        } finally {
          await browser.close();
        }
      });
    }
  }
});

describe('consent and refusal', () => {
  test('have buttons of one size in every language, on the narrowest screen too', async () => {
    const pages = (await render()).filter(({ template }) => ['page', 'approve', 'confirm', 'waiting'].includes(template));
    const browser = await launch('chromium');
    try {
      const page = await browser.newPage();
      const unequal = [];
      for (const { language, number, template, html, states } of pages) {
        for (const state of states.filter((state) => ['', 'issued', 'claimed'].includes(state))) {
          await show(page, html, state);
          for (const width of [320, 390, 1280]) {
            await page.setViewport({ width, height: 720 });
            const groups = await page.evaluate(() => [...document.querySelectorAll('.actions')].map((group) => (
              [...group.children].filter((one) => one.checkVisibility()).map((one) => {
                const { width, height } = one.getBoundingClientRect();
                return `${Math.round(width)}x${Math.round(height)}`;
              }))));
            for (const sizes of groups) {
              if (new Set(sizes).size > 1) unequal.push(`${language} ${number} ${template} ${state} at ${width}: ${sizes}`);
            }
          }
        }
      }
      assert.deepEqual(unequal, []);
    } finally {
      await browser.close();
    }
  });
});

describe('forced colours', () => {
  test('leave buttons, the frame of the code and the focus visible', { skip: !BROWSERS.includes('chromium') }, async () => {
    const { html } = (await render()).find(({ language, template }) => language === 'en' && template === 'page');
    const browser = await launch('chromium');
    try {
      const page = await browser.newPage();
      await page.setViewport({ width: 1280, height: 720 });
      for (const theme of ['light', 'dark']) {
        await prefer(page, { 'forced-colors': 'active', 'prefers-color-scheme': theme });
        await show(page, html, 'issued');
        const frame = await page.$eval('#code svg', (svg) => {
          const { backgroundColor, boxShadow } = getComputedStyle(svg);
          return { forced: matchMedia('(forced-colors: active)').matches, backgroundColor, isFramed: boxShadow !== 'none' };
        });
        assert.deepEqual(frame, { forced: true, backgroundColor: 'rgb(255, 255, 255)', isFramed: true }, theme);
        await show(page, html, 'claimed');
        const edges = await page.$$eval('.actions button', (buttons) => buttons.map((button) => {
          const { borderTopWidth, borderTopStyle, borderTopColor, color } = getComputedStyle(button);
          const ground = getComputedStyle(button.closest('.card')).backgroundColor;
          return { width: borderTopWidth, style: borderTopStyle, isSeen: borderTopColor !== ground && color !== ground };
        }));
        assert.deepEqual(edges, [{ width: '3px', style: 'solid', isSeen: true }, { width: '1px', style: 'solid', isSeen: true }], theme);
        for (const key of ['number', 'stay', 'main']) {
          if (key !== 'number') await page.keyboard.press('Tab');
          const ring = await page.evaluate(() => {
            const { outlineWidth, outlineStyle, outlineColor } = getComputedStyle(document.activeElement);
            const ground = getComputedStyle(document.querySelector('.card')).backgroundColor;
            const { id, className } = document.activeElement;
            return { on: id || className, width: outlineWidth, style: outlineStyle, isSeen: outlineColor !== ground };
          });
          assert.deepEqual(ring, { on: key, width: '3px', style: 'solid', isSeen: true }, theme);
        }
      }
    } finally {
      await browser.close();
    }
  });
});

inFrontOf('every page', { app: () => django }, everyPage);
inFrontOf('every page in the dark', { app: () => django, browsers: ['firefox'], dark: true }, everyPage);

function everyPage({ name, computer: atComputer, phone: withPhone }) {
  test('is accessible from the start to the end', async () => {
    const computer = await atComputer();
    await computer.open('/qr/');
    await isAccessible(computer, 'the start page');
    await computer.press('Show QR code');
    await isAccessible(computer, 'the page with the code');
    const phone = await withPhone();
    await scan(computer, phone);
    await isAccessible(phone, 'the question on the phone');
    await phone.press('Continue');
    const number = await phone.number();
    await isAccessible(phone, 'the number on the phone');
    await computer.sees('Is this your phone?');
    await isAccessible(computer, 'the question on the computer');
    const link = phone.page.url();
    await computer.typeNumber(number, { follow: false });
    await computer.sees('Your phone is signed in');
    await isAccessible(computer, 'the end on the computer');
    await phone.isSignedInAs('ana');
    await phone.open(link);
    await isAccessible(phone, 'the end on the phone');
    const stranger = await withPhone();
    await stranger.open(link);
    await isAccessible(stranger, 'the page of a used code');
  });

  test('is accessible when things go wrong', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    const { link } = await claim(computer, phone);
    const other = await withPhone();
    await other.open(link);
    await isAccessible(other, 'the page of a code in use');
    await isRead(other);
    await computer.reads('Another device opened this QR code too.');
    await isAccessible(computer, 'a contested code');
    await computer.press('Not my phone', { follow: false });
    await computer.sees('Sign-in stopped');
    await isAccessible(computer, 'the stop on the computer');
    await phone.reads('It was stopped on the computer.');
    await isAccessible(phone, 'the stop on the phone');
    await isRead(phone);
  });

  // Firefox without scripts cannot run axe either.
  test('is accessible without script', { skip: name === 'firefox' }, async () => {
    const computer = await atComputer({ script: false });
    await computer.showCode();
    await isAccessible(computer, 'the page with the code');
    await computer.typeNumber('47');
    await isAccessible(computer, 'the form again');
    await isRead(computer);
    await computer.press('Cancel');
    await isAccessible(computer, 'the stop');
    await isRead(computer);
  });

  test('can be completed with the keyboard alone', async () => {
    const computer = await atComputer();
    await computer.open('/qr/');
    await pressByKey(computer, 'Show QR code');
    await computer.reads('Only scan this with your own phone.');
    const phone = await withPhone();
    await scan(computer, phone);
    await pressByKey(phone, 'Continue');
    const number = await phone.number();
    await computer.sees('Is this your phone?');
    await computer.page.keyboard.type(number); // the field has the focus already
    await computer.page.keyboard.press('Enter');
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    assert.equal(await computer.page.evaluate(() => document.activeElement.tagName), 'H1');
  });

  test('says that a page is out of date', async () => {
    const computer = await atComputer();
    await computer.showCode();
    await computer.page.$eval('[name=desk]', (field) => { field.value = 'A'.repeat(43); });
    await computer.press('Cancel', { follow: false });
    await computer.sees('This page is out of date');
    assert.equal(await computer.page.$eval('[role=alert]', (region) => region.textContent), 'This page is out of date');
    await isRead(computer);
  });

  test('announces each change on the computer once', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const spoken = () => computer.page.evaluate(() => ['status', 'alert'].map((role) => document.querySelector(`[role=${role}]`).textContent));
    await computer.until(async () => (await spoken())[0] === 'QR code ready. It works for 2 minutes.', () => 'nothing was announced');
    const phone = await withPhone();
    const { number } = await claim(computer, phone);
    await computer.until(async () => (await spoken())[1] === 'A phone scanned the code. Type the number it shows.', () => 'nothing was announced');
    await computer.typeNumber(number, { follow: false });
    await computer.until(async () => (await spoken())[0].startsWith('Your phone is signed in'), () => 'nothing was announced');
  });
}

/** The heading of an error or an end has the focus: a screen reader announces it first. */
async function isRead({ page }) {
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
}

/** Reaches a button with Tab and presses it with Enter. */
async function pressByKey({ page }, text) {
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  for (let step = 0; (await focused()) !== text; step++) {
    assert.ok(step < 10, `“${text}” cannot be reached with Tab`);
    await page.keyboard.press('Tab');
  }
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}
