// Every page in every state, laid out by the program's own templates and shown without a server.

import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from './process.mjs';

const PHONE = { label: 'Safari on iPhone', address: '203.0.113.7', same_network: true };

/** The states of the open page with the code, each of which looks like a separate page. */
const STATES = {
  issued: null,
  opened: { state: 'issued', expires_in: 95, opened: true },
  claimed: { state: 'claimed', expires_in: 95, device: PHONE },
  contested: { state: 'claimed', expires_in: 95, device: { ...PHONE, same_network: false }, contested: true },
  approved: { state: 'approved', expires_in: 95, device: PHONE },
  spent: { state: 'spent', expires_in: 0, device: PHONE },
  'spent-undo': { state: 'spent', expires_in: 0, device: PHONE, undo: 600 },
  'spent-failed': { state: 'spent', expires_in: 0, device: PHONE, undo: 600, failed: true },
  undone: { state: 'undone', expires_in: 0, device: PHONE },
  ...Object.fromEntries(['computer', 'number', 'phone', 'application', 'signed_out'].map((reason) => [`declined-${reason}`, { state: 'declined', reason, expires_in: 0 }])),
  expired: { state: 'expired', expires_in: 0, alone: true },
  replaced: { state: 'replaced', expires_in: 0 },
};

/** A stream with one state, in place of the real one. */
const tell = (told) => {
  window.EventSource = class {
    readyState = 1;
    constructor() { if (told) setTimeout(() => this.onmessage({ data: JSON.stringify(told) })); }
    close() {}
  };
};

/** Lays out every page in every language: its language, number, status and template, its states, and the document. */
export async function render() {
  const folder = path.join(ROOT, 'target/gallery/pages');
  execFileSync('cargo', ['test', '--quiet', '--lib', 'pages::tests::gallery', '--', '--ignored'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  return Promise.all((await readdir(folder)).sort().map(async (file) => {
    const [language, number, status, template] = file.split('.');
    const html = await readFile(path.join(folder, file), 'utf8');
    const canUndo = html.includes('id="is-undone"');
    const states = Object.keys(STATES).filter((state) => canUndo || !(STATES[state]?.undo || state === 'undone'));
    return { language, number, status, template, html, states: template === 'page' ? states : [''] };
  }));
}

/** Shows a document in a fresh window, and waits until it is in this state. */
export async function show(page, html, state = '') {
  const told = STATES[state];
  await page.goto('about:blank');
  await page.evaluate(tell, told);
  await page.setContent(html, { waitUntil: 'domcontentloaded' });
  if (told) await page.waitForFunction((state) => document.querySelector(state === 'issued' ? '#wait:not([hidden])' : '#detail > *'), {}, told.state);
  await page.evaluate(() => new Promise((laidOut) => requestAnimationFrame(() => requestAnimationFrame(laidOut))));
}
