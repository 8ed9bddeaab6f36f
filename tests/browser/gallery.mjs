// Takes a picture of every page in every state, theme and language, and writes one page with all of them. It fails if a
// page is wider than its screen or a text wider than its box.
//
//   npm run gallery                         all of them, into target/gallery/index.html
//   npm run gallery -- --languages en,ru    fewer languages
//   npm run gallery -- --looks phone,320    fewer looks

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { launch, prefer } from './lib/browser.mjs';
import { render, show } from './lib/pages.mjs';
import { ROOT } from './lib/process.mjs';

const { values: only } = parseArgs({ options: { languages: { type: 'string' }, looks: { type: 'string' } } });
const FOLDER = path.join(ROOT, 'target/gallery');

/**
 * How a page is looked at. `all`: in every language, where the page belongs to that screen (`both`: to either); else in
 * English only, every page.
 */
const LOOKS = {
  desktop: { all: 'computer', width: 1280, height: 720 },
  'desktop-dark': { all: 'computer', width: 1280, height: 720, dark: true },
  phone: { all: 'phone', width: 390, height: 844, scale: 2 },
  'phone-dark': { all: 'phone', width: 390, height: 844, scale: 2, dark: true },
  320: { all: 'both', width: 320, height: 568, scale: 2 },
  zoom: { all: 'computer', width: 720, height: 450, scale: 2 },
  landscape: { all: 'phone', width: 667, height: 375, scale: 2 },
  '4k': { width: 3840, height: 2160 },
  rtl: { width: 1280, height: 720, rtl: true },
  'rtl-phone': { width: 390, height: 844, scale: 2, rtl: true },
  forced: { width: 1280, height: 720, forced: true },
  'forced-dark': { width: 1280, height: 720, forced: true, dark: true },
  contrast: { width: 1280, height: 720, contrast: true },
  print: { width: 794, height: 1123, print: true },
};

/** The templates of the phone; the others are the computer's. */
const ON_A_PHONE = ['code', 'confirm', 'waiting', 'invalid_code', 'error'];

const pages = await render();
const languages = only.languages?.split(',') ?? ['en', 'ru', 'de', 'de-formal', 'es', 'fr', 'zh-Hans'];
const looks = only.looks?.split(',') ?? Object.keys(LOOKS);
await rm(path.join(FOLDER, 'pictures'), { recursive: true, force: true });
const began = performance.now();
const shown = [];
const tooWide = [];
const todo = looks.flatMap((look) => languages.filter((one) => LOOKS[look].all || one === 'en').map((language) => ({ look, language })));
const browser = await launch('chromium');
try {
  await Promise.all(Array.from({ length: availableParallelism() }, take));
} finally {
  await browser.close();
}
await writeFile(path.join(FOLDER, 'index.html'), index());
console.log(`${shown.length} pictures in ${((performance.now() - began) / 1000).toFixed(0)} s: ${path.relative(process.cwd(), path.join(FOLDER, 'index.html'))}`);

for (const line of tooWide) console.error(`too wide: ${line}`);
process.exitCode = tooWide.length ? 1 : 0;

/** Takes the pictures of one look in one language after the other. */
async function take() {
  for (let next = todo.shift(); next; next = todo.shift()) {
    const { look: name, language } = next;
    const look = LOOKS[name];
    const page = await browser.newPage();
    await dress(page, look);
    const folder = path.join(FOLDER, 'pictures', language, name);
    await mkdir(folder, { recursive: true });
    const belongs = ({ template }) => language === 'en' || look.all === 'both' || ON_A_PHONE.includes(template) === (look.all === 'phone');
    for (const one of pages.filter((one) => one.language === language && belongs(one))) {
      for (const state of one.states) {
        const file = `${one.number}-${one.template}${state && `-${state}`}`;
        await show(page, look.rtl ? one.html.replace('dir="ltr"', 'dir="rtl"') : one.html, state);
        await page.screenshot({ path: path.join(folder, `${file}.png`), fullPage: true, optimizeForSpeed: true });
        const { title, wide } = await page.evaluate(measure);
        tooWide.push(...wide.map((what) => `${language}/${name}/${file}: ${what}`));
        shown.push({ language, look: name, name: file, title, status: one.status, bytes: Buffer.byteLength(one.html) });
      }
    }
    await page.close();
  }
}

/** Runs in the page: its heading, and what does not fit. */
function measure() {
  const all = [document.documentElement, ...document.querySelectorAll('body :not(.unseen, template, script, svg *, br)')];
  const wide = all.filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1);
  return { title: document.querySelector('h1').innerText, wide: wide.map((one) => `${one.tagName} ${one.className} ${one.innerText.slice(0, 40)}`) };
}

/** Gives a page the screen and the preferences of a look. */
async function dress(page, look) {
  const small = look.width < 600 || look.all === 'phone';
  page.setDefaultTimeout(60_000);
  await page.setViewport({ width: look.width, height: look.height, deviceScaleFactor: look.scale ?? 1, isMobile: small, hasTouch: small });
  const wishes = {
    'prefers-color-scheme': look.dark ? 'dark' : 'light', 'prefers-reduced-motion': 'reduce',
    'prefers-contrast': look.contrast ? 'more' : 'no-preference', 'forced-colors': look.forced ? 'active' : 'none',
  };
  await prefer(page, wishes, look.print ? 'print' : '');
}

/** The page with all pictures: one row for each page, one column for each look of one language. */
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
