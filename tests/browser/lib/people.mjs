// The two people of every journey: someone at a computer and the same person's phone, each in a browser of their own.
// They act as people do: read headings, press buttons by their text, and read the code from the screen's pixels.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import puppeteer, { KnownDevices } from 'puppeteer-core';
import { temporaryFolder } from './process.mjs';

const run = promisify(execFile);

/** Starts Chromium. Every name leads to this machine, so nothing can leave it. */
export function launch() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    acceptInsecureCerts: true,
    protocolTimeout: 60_000,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * 127.0.0.1',
    ],
  });
}

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
    await page.setJavaScriptEnabled(script);
    return person;
  }

  async leave() {
    await this.context.close();
  }

  /** Opens an address of the site, or a whole URL; gives the status. */
  async open(address) {
    const answer = await this.page.goto(new URL(address, this.origin).href);
    return answer.status();
  }

  /** Signs in with the application's own form, which is already open or is opened. */
  async signIn(name, form) {
    if (form) await this.open(form);
    await this.page.type('[name=username]', name);
    await this.page.type('[name=password]', name);
    await this.press('Sign in');
  }

  /** Presses the visible button or link with this text and waits for the page that follows, if `follow`. */
  async press(text, { follow = true } = {}) {
    const element = await this.page.waitForSelector(`::-p-xpath(//*[self::button or self::a][normalize-space()=${JSON.stringify(text)}])`, { visible: true });
    if (!follow) return element.click();
    await Promise.all([this.page.waitForNavigation(), element.click()]);
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

  /** Is signed in to the application as `name`: its own page says so. */
  async isSignedInAs(name) {
    await this.reads(`You are signed in as ${name}.`);
    assert.equal(new URL(this.page.url()).origin, this.origin);
  }

  /** Nothing went wrong unseen. `expected`: patterns of complaints that belong to the story. */
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
    const { folder, remove } = await temporaryFolder();
    try {
      const file = path.join(folder, 'screen.png');
      await writeFile(file, await this.page.screenshot());
      const { stdout } = await run('zbarimg', ['--quiet', '--raw', '-Sdisable', '-Sqrcode.enable', file]);
      return stdout.trim();
    } catch (error) {
      if (error.code === 4) return ''; // zbarimg: no code in the picture
      throw error;
    } finally {
      await remove();
    }
  }

  /** In another tab opens the application's page, presses the button of the form to `action`, and comes back. */
  async inAnotherTab(action) {
    const tab = await this.context.newPage();
    await tab.goto(`${this.origin}/`);
    await Promise.all([tab.waitForNavigation(), tab.click(`form[action="${action}"] button`)]);
    await this.page.bringToFront(); // a page in the background draws nothing, and waits with it
  }

  /** Types the number and sends it. */
  async typeNumber(number, options) {
    await this.page.type('#number', number);
    await this.press('Sign in my phone', options);
  }
}

/** A phone: its size, its touch screen, its User-Agent. */
export class Phone extends Person {
  async prepare() {
    await this.page.emulate(KnownDevices['iPhone 15']);
  }

  /** The two digits it shows. */
  async number() {
    await this.reads('Type this number on your computer.');
    const digits = (await this.text()).match(/\b\d{2}\b/);
    assert.ok(digits, await this.text());
    return digits[0];
  }

  async state() {
    return this.page.evaluate(() => document.documentElement.dataset.state);
  }
}
