// The browsers of Debian, both driven through one library: Chromium over its own protocol, Firefox over WebDriver BiDi.
// Every name resolves to this machine, so no request leaves it.

import puppeteer from 'puppeteer-core';

/** The browsers for the stories; `BROWSERS=firefox npm test` picks one. */
export const BROWSERS = (process.env.BROWSERS ?? 'chromium firefox').split(/[\s,]+/);

/**
 * Starts a browser.
 *
 * - `script`: Firefox runs the scripts of all its pages or of no page; in Chromium each page decides (`setJavaScriptEnabled`)
 * - `dark`, `forced`: the system's theme, and forced colours. Chromium emulates them later; Firefox must start with them
 * - `home`: a home folder whose NSS database holds the authorities that Chromium trusts. Without it, any certificate passes
 * - `resolve`: where names lead, in Chromium's rules; without it to the same port of 127.0.0.1
 */
export function launch(name = 'chromium', { script = true, dark = false, forced = false, home, resolve = 'MAP * 127.0.0.1', args = [] } = {}) {
  const common = { headless: true, acceptInsecureCerts: !home, protocolTimeout: 60_000 };
  if (name === 'firefox') {
    return puppeteer.launch({
      ...common,
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      extraPrefsFirefox: {
        'network.dns.forceResolve': '127.0.0.1',
        'javascript.enabled': script,
        'dom.disable_open_during_load': false,
        'ui.prefersReducedMotion': 1,
        'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1,
        ...(forced ? { 'browser.display.document_color_use': 2 } : {}),
      },
    });
  }
  return puppeteer.launch({
    ...common,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    ...(home ? { env: { ...process.env, HOME: home } } : {}),
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--host-resolver-rules=${resolve}`, ...(home ? [] : ['--ignore-certificate-errors']), ...args,
    ],
  });
}

/**
 * Emulates media features in Chromium, and `print` for the screen if asked. (The library knows only some of them.)
 */
export async function prefer(page, features, media = '') {
  const session = await page.createCDPSession();
  await session.send('Emulation.setEmulatedMedia', { media, features: Object.entries(features).map(([name, value]) => ({ name, value })) });
}

/** A browser with and without scripts. Firefox needs two processes for that; the second is started when needed. */
export class Shelf {
  #name;
  #options;
  #running = new Map();

  /** Of this browser; `options` are those of `launch`. */
  constructor(name, options = {}) {
    this.#name = name;
    this.#options = options;
  }

  /** A running browser for pages with or without `script`. */
  take(script = true) {
    const key = this.#name === 'firefox' ? script : true;
    if (!this.#running.has(key)) this.#running.set(key, launch(this.#name, { ...this.#options, script: key }));
    return this.#running.get(key);
  }

  async close() {
    for (const browser of this.#running.values()) await (await browser).close();
  }
}
