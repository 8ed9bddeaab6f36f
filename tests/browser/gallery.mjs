// Every page in every state, theme and language as a picture, and one page to look at them all.
//
//   npm run gallery                         all of them, into target/gallery/index.html
//   npm run gallery -- --languages en,ru    fewer languages
//   npm run gallery -- --looks phone,320    fewer looks

import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { launch, prefer } from './lib/browser.mjs';
import { ROOT } from './lib/process.mjs';

const { values: only } = parseArgs({ options: { languages: { type: 'string' }, looks: { type: 'string' } } });
const FOLDER = path.join(ROOT, 'target/gallery');

/** How a page is looked at. `all`: in every language, where the page belongs to that screen; else in English only, every page. */
const LOOKS = {
  desktop: { all: 'computer', width: 1280, height: 720 },
  'desktop-dark': { all: 'computer', width: 1280, height: 720, dark: true },
  phone: { all: 'phone', width: 390, height: 844, scale: 2 },
  'phone-dark': { all: 'phone', width: 390, height: 844, scale: 2, dark: true },
  320: { width: 320, height: 568, scale: 2 },
  '4k': { width: 3840, height: 2160 },
  rtl: { width: 1280, height: 720, rtl: true },
  'rtl-phone': { width: 390, height: 844, scale: 2, rtl: true },
  forced: { width: 1280, height: 720, forced: true },
  'forced-dark': { width: 1280, height: 720, forced: true, dark: true },
  contrast: { width: 1280, height: 720, contrast: true },
  print: { width: 794, height: 1123, print: true },
};

/** The templates of the phone; the others are the computer's. */
const ON_A_PHONE = ['confirm', 'waiting', 'invalid_code', 'error'];

const PHONE = { label: 'Safari on iPhone', address: '203.0.113.7', same_network: true };

/** What the page with the code is told while it is open: each a page of its own to the person. */
const STATES = {
  issued: null,
  claimed: { state: 'claimed', expires_in: 95, device: PHONE },
  contested: { state: 'claimed', expires_in: 95, device: { ...PHONE, same_network: false }, contested: true },
  approved: { state: 'approved', expires_in: 95, device: PHONE },
  spent: { state: 'spent', expires_in: 0, device: PHONE },
  ...Object.fromEntries(['computer', 'number', 'phone', 'application', 'signed_out'].map((reason) => [`declined-${reason}`, { state: 'declined', reason, expires_in: 0 }])),
  expired: { state: 'expired', expires_in: 0 },
  replaced: { state: 'replaced', expires_in: 0 },
};

/** A stream that tells one state, in place of the real one. */
const tell = (told) => {
  window.EventSource = class {
    readyState = 1;
    constructor() { if (told) setTimeout(() => this.onmessage({ data: JSON.stringify(told) })); }
    close() {}
  };
};

execFileSync('cargo', ['test', '--quiet', '--lib', 'pages::tests::gallery', '--', '--ignored'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
const pages = (await readdir(path.join(FOLDER, 'pages'))).sort().map((file) => {
  const [language, number, status, template] = file.split('.');
  return { file, language, number, status, template };
});
const languages = only.languages?.split(',') ?? ['en', 'ru', 'de', 'es', 'fr', 'zh-Hans'];
const looks = only.looks?.split(',') ?? Object.keys(LOOKS);
await rm(path.join(FOLDER, 'pictures'), { recursive: true, force: true });
const began = performance.now();
const shown = [];
const browser = await launch('chromium');
try {
  await Promise.all([0, 1].map((half) => take(looks.filter((_, at) => at % 2 === half))));
} finally {
  await browser.close();
}
await writeFile(path.join(FOLDER, 'index.html'), index());
console.log(`${shown.length} pictures in ${((performance.now() - began) / 1000).toFixed(0)} s: ${path.relative(process.cwd(), path.join(FOLDER, 'index.html'))}`);

/** Every page in some looks. */
async function take(looks) {
  for (const name of looks) {
    const look = LOOKS[name];
    const page = await browser.newPage();
    await dress(page, look);
    for (const language of languages.filter((one) => look.all || one === 'en')) {
      const folder = path.join(FOLDER, 'pictures', language, name);
      await mkdir(folder, { recursive: true });
      const belongs = ({ template }) => language === 'en' || ON_A_PHONE.includes(template) === (look.all === 'phone');
      for (const one of pages.filter((one) => one.language === language && belongs(one))) {
        const html = await readFile(path.join(FOLDER, 'pages', one.file), 'utf8');
        for (const state of Object.keys(one.template === 'page' ? STATES : { '': null })) {
          const file = `${one.number}-${one.template}${state && `-${state}`}`;
          await show(page, look.rtl ? html.replace('dir="ltr"', 'dir="rtl"') : html, STATES[state]);
          await page.screenshot({ path: path.join(folder, `${file}.png`), fullPage: true, optimizeForSpeed: true });
          const title = await page.$eval('h1', (heading) => heading.innerText);
          shown.push({ language, look: name, name: file, title, status: one.status, bytes: Buffer.byteLength(html) });
        }
      }
    }
    await page.close();
  }
}

/** Gives a page the screen and the wishes of a look. */
async function dress(page, look) {
  const small = look.width < 600;
  page.setDefaultTimeout(60_000);
  await page.setViewport({ width: look.width, height: look.height, deviceScaleFactor: look.scale ?? 1, isMobile: small, hasTouch: small });
  const wishes = {
    'prefers-color-scheme': look.dark ? 'dark' : 'light', 'prefers-reduced-motion': 'reduce',
    'prefers-contrast': look.contrast ? 'more' : 'no-preference', 'forced-colors': look.forced ? 'active' : 'none',
  };
  await prefer(page, wishes, look.print ? 'print' : '');
}

/** Shows a document, in a window that no other document has been in, and waits until it says what it was told. */
async function show(page, html, told) {
  await page.goto('about:blank');
  await page.evaluate(tell, told);
  await page.setContent(html, { waitUntil: 'domcontentloaded' });
  if (told) await page.waitForFunction(() => document.querySelector('#detail')?.childElementCount > 0);
}

/** The page to look at them all: one row for each page, one column for each look of one language. */
function index() {
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const rows = [...new Set(shown.map(({ name }) => name))].sort().map((name) => {
    const of = shown.filter((one) => one.name === name);
    const cells = of.map(({ language, look, title }) => `<figure data-language="${language}" data-look="${look}" hidden>
      <a href="pictures/${language}/${look}/${name}.png"><img loading="lazy" alt="${escape(title)}" data-src="pictures/${language}/${look}/${name}.png"></a>
      <figcaption>${language} · ${look}</figcaption></figure>`).join('');
    return `<section><h2>${escape(of[0].title)} <small>${name} · ${of[0].status} · ${(of[0].bytes / 1024).toFixed(1)} KiB</small></h2><div>${cells}</div></section>`;
  });
  const options = (values) => `<option value="">all</option>${values.map((value) => `<option>${value}</option>`).join('')}`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>qrgate: every page</title><style>
    body { font: 1rem/1.5 system-ui, sans-serif; margin: 1rem; background: #e5e7eb } h2 { font-size: 1rem } small { font-weight: 400; color: #555 }
    nav { position: sticky; top: 0; background: #e5e7eb; padding: .5rem 0; z-index: 1 } div { display: flex; flex-wrap: wrap; gap: 1rem }
    figure { margin: 0 } img { max-height: 22rem; max-width: 38rem; background: #fff; box-shadow: 0 1px 4px #0003 } figcaption { color: #555 }
  </style><h1>qrgate: every page</h1>
  <nav>Language <select id="language">${options([...new Set(shown.map(({ language }) => language))])}</select>
  Look <select id="look">${options([...new Set(shown.map(({ look }) => look))])}</select></nav>
  ${rows.join('\n')}
  <script>
    const [language, look] = ['language', 'look'].map((id) => document.getElementById(id));
    language.value = 'en';
    const show = () => document.querySelectorAll('figure').forEach((one) => {
      one.hidden = (language.value && one.dataset.language !== language.value) || (look.value && one.dataset.look !== look.value);
      const img = one.querySelector('img');
      if (!one.hidden && !img.src) img.src = img.dataset.src;
    });
    language.onchange = look.onchange = show;
    show();
  </script></html>`;
}
