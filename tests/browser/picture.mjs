// Makes the README's picture: the computer's page with the code, and beside it what the phone shows.
//
//   node picture.mjs        writes docs/pictures/journey.png; as root, because port 443 keeps the address short

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startExample } from './lib/example.mjs';
import { startGate } from './lib/gate.mjs';
import { launch } from './lib/browser.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT } from './lib/process.mjs';

const [browser, app] = await Promise.all([launch(), startExample('django')]);
const gate = await startGate(app, { host: 'notes.example.com', https: true, port: 443 });
try {
  const computer = await Computer.arrive(browser, gate.origin);
  await computer.page.setViewport({ width: 1024, height: 720, deviceScaleFactor: 1 });
  await computer.signIn('ana', '/login/');
  await computer.showCode();
  const phone = await Phone.arrive(browser, gate.origin);
  await phone.page.setViewport({ width: 360, height: 720, deviceScaleFactor: 1, isMobile: true, hasTouch: true });
  await phone.open(await computer.readCode());
  await phone.sees('Sign in to Notes?');
  const code = await computer.page.screenshot({ encoding: 'base64' });
  const confirm = await phone.page.screenshot({ encoding: 'base64' });
  const folder = path.join(ROOT, 'docs/pictures');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'journey.png'), await sideBySide(code, confirm));
} finally {
  await browser.close();
  await gate.stop();
  await app.stop();
}

/** Two screens on one sheet, as PNG. */
async function sideBySide(wide, narrow) {
  const sheet = await browser.newPage();
  await sheet.setViewport({ width: 1500, height: 800 });
  await sheet.setContent(`<style>
    body { margin: 0; padding: 32px; display: flex; gap: 32px; align-items: center; justify-content: center; background: #e8eaed }
    img { border-radius: 10px; box-shadow: 0 2px 12px #0004 } img + img { border-radius: 28px; border: 8px solid #202124 }
  </style><img src="data:image/png;base64,${wide}"><img src="data:image/png;base64,${narrow}">`);
  const png = await sheet.screenshot();
  await sheet.close();
  return png;
}
