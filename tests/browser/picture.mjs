// Makes the README's four pictures: at each step of the journey the computer's page, and beside it the phone.
//
//   node picture.mjs        writes docs/pictures/*.png; as root, because port 443 keeps the address short

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startExample } from './lib/example.mjs';
import { startGate } from './lib/gate.mjs';
import { launch, prefer } from './lib/browser.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT } from './lib/process.mjs';

const [browser, app] = await Promise.all([launch(), startExample('django')]);
const gate = await startGate(app, { host: 'notes.example.com', https: true, port: 443 });
const folder = path.join(ROOT, 'docs/pictures');
await mkdir(folder, { recursive: true });
try {
  await journey('light', ['journey', 'number', 'signed-in']);
  await journey('dark', ['dark']);
} finally {
  await browser.close();
  await gate.stop();
  await app.stop();
}

/** The journey in one theme, as far as `names` has names for its steps. */
async function journey(theme, names) {
  const computer = await Computer.arrive(browser, gate.origin);
  await computer.page.setViewport({ width: 1024, height: 720, deviceScaleFactor: 1 });
  const phone = await Phone.arrive(browser, gate.origin);
  await phone.page.setViewport({ width: 360, height: 720, deviceScaleFactor: 1, isMobile: true, hasTouch: true });
  for (const { page } of [computer, phone]) await prefer(page, { 'prefers-color-scheme': theme });
  await computer.signIn('ana', '/login/');
  await computer.showCode();
  await phone.open(await computer.readCode());
  await phone.sees('Sign in to Notes?');
  await sideBySide(names[0], theme, computer, phone);
  if (names.length > 1) {
    await phone.press('Continue');
    const number = await phone.number();
    await computer.sees('Is this your phone?');
    await computer.page.type('#number', number);
    await sideBySide(names[1], theme, computer, phone);
    const link = phone.page.url();
    await computer.press('Yes, sign it in', { follow: false });
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    await phone.open(link);
    await sideBySide(names[2], theme, computer, phone);
  }
  for (const person of [computer, phone]) await person.leave();
}

/** Two screens on one sheet. */
async function sideBySide(name, theme, computer, phone) {
  const [wide, narrow] = await Promise.all([computer, phone].map(({ page }) => page.screenshot({ encoding: 'base64' })));
  const sheet = await browser.newPage();
  await sheet.setViewport({ width: 1500, height: 800 });
  await sheet.setContent(`<style>
    body { margin: 0; padding: 32px; display: flex; gap: 32px; align-items: center; justify-content: center; background: ${theme === 'dark' ? '#3c4043' : '#e8eaed'} }
    img { border-radius: 10px; box-shadow: 0 2px 12px #0004 } img + img { border-radius: 28px; border: 8px solid #202124 }
  </style><img src="data:image/png;base64,${wide}"><img src="data:image/png;base64,${narrow}">`);
  await writeFile(path.join(folder, `${name}.png`), await sheet.screenshot());
  await sheet.close();
}
