// The two devices of every journey, a computer and the same person's phone, each in a separate browser context. They work
// as people do: they read headings, press buttons by their text, and read the code from the screen's pixels.

import assert from 'node:assert/strict';
import { KnownDevices } from 'puppeteer-core';
import { zbar } from './decode.mjs';

class Person {
  /** Console errors and failed scripts, requests to other origins, in the order they happened. */
  complaints = [];

  constructor(context, page, origin) {
    Object.assign(this, { context, page, origin });
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => this.complaints.push(`script: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && url.origin !== origin) this.complaints.push(`left the site: ${request.url()}`);
    });
  }

  static async arrive(browser, origin, { script = true } = {}) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    const person = new this(context, page, origin);
    person.script = script;
    await person.prepare();
    await page.emulateMediaFeatures?.([{ name: 'prefers-reduced-motion', value: 'reduce' }]).catch(() => {}); // Firefox is started so
    if (!script && (await browser.version()).startsWith('Chrome')) await page.setJavaScriptEnabled(false); // Firefox was started so
    return person;
  }

  async leave() {
    await this.context.close();
  }

  /** Opens an address of the site, or a whole URL; gives the status. */
  async open(address) {
    const response = await this.page.goto(new URL(address, this.origin).href);
    return response.status();
  }

  /**
   * Signs in with the application's own form, and opens the form if necessary. `fields`: its selectors, if they are not the usual
   * ones; then the application's front page is opened.
   */
  async signIn(name, form, fields) {
    if (form) await this.open(form);
    if (fields) {
      // WordPress' own page moves the focus during typing.
      for (const field of [fields.name, fields.password]) await this.page.$eval(field, (input, text) => { input.value = text; }, name);
      await Promise.all([this.page.waitForNavigation(), this.page.click(fields.button)]);
      await this.open('/');
      return;
    }
    await this.page.type('[name=username]', name);
    await this.page.type('[name=password]', name);
    await this.press('Sign in');
  }

  /** Presses the visible button, link or fold with this text and waits for the page that follows, if `follow`. */
  async press(text, { follow = true } = {}) {
    const place = await this.find(text);
    const click = () => this.page.mouse.click(place.x, place.y);
    if (!follow) return click();
    await Promise.all([this.page.waitForNavigation(), click()]);
  }

  /**
   * Waits for the visible button, link or fold with this text, scrolls to it, and gives its middle.
   * Only a page that has loaded counts: until then its parts still move, and Firefox drops clicks on it.
   */
  async find(text) {
    let place;
    await this.until(async () => {
      place = await this.page.evaluate((text) => {
        if (document.readyState !== 'complete') return undefined;
        const found = [...document.querySelectorAll('button, a, summary')]
          .find((one) => one.checkVisibility() && one.textContent.replace(/\s+/g, ' ').trim() === text);
        found?.scrollIntoView({ block: 'center', behavior: 'instant' });
        const { x, y, width, height } = found?.getBoundingClientRect() ?? {};
        return found && { x: x + width / 2, y: y + height / 2 };
      }, text);
      return Boolean(place);
    }, () => `wanted to press “${text}”`);
    return place;
  }

  /** Waits until the page's h1 reads so. */
  async sees(heading) {
    await this.until(async () => (await this.heading()) === heading, () => `wanted the heading “${heading}”`);
  }

  /** Waits until the visible text contains this. */
  async reads(text) {
    await this.until(async () => (await this.text()).includes(text), () => `wanted to read “${text}”`);
  }

  /** The page's only h1. */
  async heading() {
    return this.page.evaluate(() => {
      const all = [...document.querySelectorAll('h1')].filter((h) => h.checkVisibility());
      return all.map((h) => h.innerText.replace(/\s+/g, ' ').trim()).join(' | ');
    });
  }

  /** The visible text, spaces collapsed. */
  async text() {
    return this.page.evaluate(() => document.body.innerText.replace(/[\s\u200e\u200f\u2066-\u2069]+/g, ' ').trim());
  }

  /** Goes back, where there is a page to go back to. */
  async back() {
    if (await this.page.evaluate(() => history.length > 1)) await this.page.goBack();
  }

  async until(condition, why) {
    const end = Date.now() + 15_000;
    for (;;) {
      try {
        if (await condition()) return;
      } catch { /* the page is just changing */ }
      if (Date.now() > end) assert.fail(`${why()}, but the page ${this.page.url()} reads:\n${await this.text()}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Is signed in to the application as `name`, according to its own page. */
  async isSignedInAs(name) {
    await this.reads(`You are signed in as ${name}.`);
    assert.equal(new URL(this.page.url()).origin, this.origin);
  }

  /** No unexpected complaint was recorded. `expected`: patterns of complaints that belong to the story. */
  isContent(...expected) {
    assert.deepEqual(this.complaints.filter((line) => !expected.some((pattern) => pattern.test(line))), []);
  }
}

/** Someone at a computer, 1280 by 720. */
export class Computer extends Person {
  async prepare() {
    await this.page.setViewport({ width: 1280, height: 720 });
  }

  /** From the application's own page, by its button. */
  async showCode() {
    await this.open('/');
    await this.press('Sign in on your phone');
    await this.sees('Sign in on your phone');
  }

  /** The address in the code, decoded from what the screen shows; empty if no code is there. */
  async readCode() {
    return zbar(await this.page.screenshot());
  }

  /** In another tab opens the application's page, presses the button of the form to `action`, and comes back. */
  async inAnotherTab(action) {
    const tab = await this.context.newPage();
    await tab.goto(`${this.origin}/`);
    await Promise.all([tab.waitForNavigation(), tab.evaluate((action) => document.querySelector(`form[action="${action}"] button`).click(), action)]);
    await this.page.bringToFront(); // a page in the background is not drawn, and its animations wait
  }

  /** Types the number and sends it. */
  async typeNumber(number, options) {
    // The field appears with the claim, or if the script cannot reach qrgate. `waitForSelector` cannot be used: it
    // needs scripts in Firefox.
    const isThere = () => this.page.evaluate(() => document.querySelector('#number')?.checkVisibility());
    await this.until(isThere, () => 'wanted to type the number');
    await this.page.type('#number', number);
    await this.press('Yes, sign it in', options);
  }
}

/** A phone: its size, its touch screen, its User-Agent. */
export class Phone extends Person {
  async prepare() {
    await this.page.emulate(KnownDevices['iPhone 15']);
  }

  /** The two digits it shows. */
  async number() {
    await this.reads('Type this on your computer');
    const digits = (await this.text()).match(/\b\d{2}\b/);
    assert.ok(digits, await this.text());
    return digits[0];
  }

  async state() {
    return this.page.evaluate(() => document.documentElement.dataset.state);
  }
}
