// The code as a camera gets it: from the pixels of the screen, in every theme, at every density, straight, turned and
// tilted, read by two decoders.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { BROWSERS, launch, prefer } from './lib/browser.mjs';
import { zbar, zxing } from './lib/decode.mjs';
import { startGate } from './lib/gate.mjs';
import { Computer } from './lib/people.mjs';

const THEMES = {
  light: {},
  dark: { dark: true },
  'forced colours': { forced: true },
  'forced colours in the dark': { forced: true, dark: true },
};

/** How the camera is held, in CSS. */
const POSES = {
  straight: 'none',
  'turned by 45°': 'rotate(45deg)',
  'tilted by 45°': 'perspective(2000px) rotateX(45deg)',
  'tilted and turned': 'perspective(2000px) rotateY(30deg) rotate(20deg)',
};

let app, gate, studio;
before(async () => {
  app = await startApplication();
  gate = await startGate(app, { sections: { tickets: { lifetime: '10m' } } });
  studio = await launch('chromium');
});
after(async () => {
  await studio?.close();
  await gate?.stop();
  await app?.stop();
});

/** A photo of a picture at an angle, in the resolution of a camera. */
async function photo(picture, pose) {
  const page = await studio.newPage();
  await page.setViewport({ width: 900, height: 900 });
  await page.setContent(`<body style="margin:0;display:grid;place-content:center;height:100vh;background:#777">
    <img style="width:480px;transform:${pose}" src="data:image/png;base64,${Buffer.from(picture).toString('base64')}">`);
  const png = await page.screenshot();
  await page.close();
  return png;
}

for (const name of BROWSERS) {
  for (const [theme, { dark = false, forced = false }] of Object.entries(THEMES)) {
    describe(`the code in ${theme}, in ${name}`, () => {
      let browser, computer;
      before(async () => {
        browser = await launch(name, { dark, forced });
        computer = await Computer.arrive(browser, gate.origin);
        if (name === 'chromium') {
          await prefer(computer.page, { 'prefers-color-scheme': dark ? 'dark' : 'light', 'forced-colors': forced ? 'active' : 'none' });
        }
        await computer.signIn('ana', '/login');
        await computer.showCode();
      });
      after(() => browser?.close());

      for (const deviceScaleFactor of [1, 2, 3]) {
        test(`reads as the link at ${deviceScaleFactor}x, however it is held`, async () => {
          const { page } = computer;
          await page.setViewport({ width: 1280, height: 720, deviceScaleFactor });
          const [isDark, isForced, density] = await page.evaluate(() => [
            matchMedia('(prefers-color-scheme: dark)').matches, matchMedia('(forced-colors: active)').matches, devicePixelRatio,
          ]);
          assert.equal(density, deviceScaleFactor);
          assert.equal(isForced, forced);
          if (!forced || name === 'chromium') assert.equal(isDark, dark); // Firefox takes the theme from the forced colours
          const screen = await page.screenshot();
          const link = await zbar(screen);
          assert.match(link, new RegExp(`^${gate.origin}/qr/[\\w-]{44}/$`));
          assert.equal(await zxing(screen), link);
          const card = await (await page.$('#code svg')).screenshot();
          for (const [pose, css] of Object.entries(POSES)) {
            const held = await photo(card, css);
            assert.equal(await zbar(held), link, `zbar, ${pose}`);
            assert.equal(await zxing(held), link, `zxing, ${pose}`);
          }
        });
      }

      test('is black on an opaque white card, and its quiet zone is white too', async () => {
        const { page } = computer;
        await page.setViewport({ width: 1280, height: 720, deviceScaleFactor: 2 });
        const card = await (await page.$('#code svg')).screenshot({ encoding: 'base64' });
        const reader = await studio.newPage();
        const colours = await reader.evaluate(async (card) => {
          const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${card}`)).blob());
          const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
          context.drawImage(picture, 0, 0);
          const counted = new Map();
          const { data } = context.getImageData(0, 0, picture.width, picture.height);
          for (let i = 0; i < data.length; i += 4) {
            const colour = data.slice(i, i + 4).join();
            counted.set(colour, (counted.get(colour) ?? 0) + 1);
          }
          const all = picture.width * picture.height;
          return {
            quiet: context.getImageData(Math.round(picture.width / 2), 8, 1, 1).data.join(),
            most: [...counted].filter(([, n]) => n > all / 50).map(([colour]) => colour).sort(),
          };
        }, card);
        await reader.close();
        assert.deepEqual(colours.most, ['0,0,0,255', '255,255,255,255']);
        assert.equal(colours.quiet, '255,255,255,255');
      });
    });
  }
}
