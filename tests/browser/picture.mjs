// Makes the README's four pictures: at each step of the journey the computer's page, and beside it the phone.
//
//   apt-get install fonts-inter
//   node picture.mjs        writes docs/pictures/*.png; as root, because port 443 keeps the address short
//
// The typeface is for these pictures alone, whatever else is installed: FONTS names a folder with another Inter.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startApplication } from './lib/application.mjs';
import { launch, prefer } from './lib/browser.mjs';
import { startGate } from './lib/gate.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { ROOT, temporaryFolder } from './lib/process.mjs';
import { claim, scan } from './lib/story.mjs';

const SITE = 'Northwind';
const ACCENT = '#4f46e5';

const temporary = await temporaryFolder();
process.env.FONTCONFIG_FILE = await fonts(process.env.FONTS ?? '/usr/share/fonts/opentype/inter');
const pages = { site: SITE, accent: ACCENT, logo: logo('#1e1b4b'), logo_dark: logo('#eef2ff') };
/** Makes both devices appear at one address, as reported by a proxy in front. */
const sections = { pages, login: { redirect: '/orders' }, public: { trusted_proxies: ['127.0.0.1'] } };
const [browser, app] = await Promise.all([launch(), startApplication({ files: { '/orders': orders } })]);
const gate = await startGate(app, { host: 'app.northwind.example', https: true, port: 443, sections });
const folder = path.join(ROOT, 'docs/pictures');
await mkdir(folder, { recursive: true });
try {
  await journey('light', ['journey', 'number', 'signed-in']);
  await journey('dark', ['dark']);
} finally {
  await browser.close();
  await gate.stop();
  await app.stop();
  await temporary.remove();
}

/** The journey in one theme, up to the last step that has a name in `names`. */
async function journey(theme, names) {
  const computer = await Computer.arrive(browser, gate.origin);
  await computer.page.setViewport({ width: 1000, height: 664, deviceScaleFactor: 1.5 });
  const phone = await Phone.arrive(browser, gate.origin);
  await phone.page.setViewport({ width: 360, height: 692, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true });
  await Promise.all([comeFrom('192.168.1.20', computer.page), comeFrom('192.168.1.31', phone.page)]);
  for (const { page } of [computer, phone]) await prefer(page, { 'prefers-color-scheme': theme, 'prefers-reduced-motion': 'reduce' });
  await computer.signIn('Ana Lindqvist', '/login');
  await computer.showCode();
  await scan(computer, phone, SITE);
  await sideBySide(names[0], theme, computer, phone);
  if (names.length > 1) {
    const { number } = await claim(computer, phone, SITE);
    await computer.page.waitForSelector('#number', { visible: true });
    await computer.until(async () => (await computer.text()).includes('Safari on iPhone'), () => 'no phone is shown');
    await computer.page.type('#number', number);
    await computer.page.$eval('#number', (input) => { input.style.caretColor = 'transparent'; });
    await sideBySide(names[1], theme, computer, phone);
    await Promise.all([phone.page.waitForNavigation(), computer.page.keyboard.press('Enter')]);
    await phone.reads('Welcome back, Ana');
    await computer.until(async () => (await computer.page.$eval('html', (html) => html.dataset.state)) === 'spent', () => 'it does not end');
    await sideBySide(names[2], theme, computer, phone);
  }
  for (const person of [computer, phone]) await person.leave();
}

/** The field of a proxy in front, on this page's navigations only; on other requests it would need a preflight. */
async function comeFrom(address, page) {
  await page.setRequestInterception(true);
  page.on('request', (request) => {
    const more = request.isNavigationRequest() ? { headers: { ...request.headers(), 'x-forwarded-for': address } } : {};
    return request.continue(more);
  });
}

/** Two screens on one sheet. */
async function sideBySide(name, theme, computer, phone) {
  const screens = await Promise.all([computer, phone].map(({ page }) => page.screenshot({ encoding: 'base64' })));
  const [wide, narrow] = screens.map((screen) => `<img src="data:image/png;base64,${screen}" alt="">`);
  const dark = theme === 'dark';
  const sheet = await browser.newPage();
  await sheet.setViewport({ width: 1520, height: 820, deviceScaleFactor: 1 });
  await sheet.setContent(`<!doctype html><style>
    body { margin: 0; height: 820px; display: flex; gap: 40px; align-items: center; justify-content: center; font: 500 14px Inter, sans-serif;
      background: ${dark ? 'linear-gradient(135deg, #1e1b4b, #0f172a)' : 'linear-gradient(135deg, #e0e7ff, #f5f3ff 60%, #fce7f3)'} }
    img { display: block }
    .window { width: 1000px; border-radius: 14px; overflow: hidden; box-shadow: 0 24px 60px #0f172a40, 0 0 0 1px #0f172a26; background: ${dark ? '#26282d' : '#fff'}; color: ${dark ? '#d1d5db' : '#374151'} }
    .window img { width: 1000px } .bar { display: flex; align-items: center; gap: 8px; height: 44px; padding: 0 16px }
    i { width: 12px; height: 12px; border-radius: 50% } span { flex: 1; margin: 0 110px; padding: 5px; text-align: center; border-radius: 8px; background: ${dark ? '#16181c' : '#eef0f4'} }
    .phone { padding: 10px; border-radius: 52px; background: #0b0c0f; box-shadow: 0 24px 60px #0f172a59, 0 0 0 2px #ffffff33 }
    .phone div { border-radius: 42px; overflow: hidden; background: ${dark ? '#111317' : '#f3f4f6'}; color: ${dark ? '#eceef1' : '#1b1d21'}; font-weight: 600 }
    .phone b { display: block; height: 36px; padding: 14px 0 0 34px; box-sizing: border-box; font-weight: 600 } .phone img { width: 360px; height: 692px }
  </style>
  <div class="window"><div class="bar"><i style="background:#ff5f57"></i><i style="background:#febc2e"></i><i style="background:#28c840"></i><span>${new URL(gate.origin).host}/qr/</span></div>${wide}</div>
  <div class="phone"><div><b>9:41</b>${narrow}</div></div>`);
  await writeFile(path.join(folder, `${name}.png`), await sheet.screenshot());
  await sheet.close();
}

/** A star of the compass and a name in `colour`, as a data: URL. */
function logo(colour) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="168" height="40" viewBox="0 0 168 40">
    <path fill="${colour === '#1e1b4b' ? ACCENT : '#818cf8'}" d="M19 1l5 14 14 5-14 5-5 14-5-14-14-5 14-5z"/>
    <text x="46" y="28.5" font-family="Inter" font-size="24" font-weight="700" letter-spacing="-.6" fill="${colour}">${SITE}</text></svg>`;
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
}

/** The application's page on which the phone arrives. */
function orders(request, response) {
  const rows = [['Chai, 10 boxes', 'Packed', '€ 180'], ['Chang, 24 bottles', 'On its way', '€ 456'], ['Ikura, 12 jars', 'Delivered', '€ 372'], ['Tofu, 40 packs', 'Delivered', '€ 930']];
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
    <title>${SITE}</title><link rel="icon" href="data:,"><style>
    body { margin: 0; padding: 20px; font: 16px/1.5 Inter, sans-serif; color: #1b1d21; background: #f8f9fc } img { height: 32px } h1 { font-size: 24px; letter-spacing: -.4px; margin: 28px 0 4px }
    p { margin: 0; color: #50555e } li { list-style: none; margin-top: 12px; padding: 16px; border-radius: 14px; background: #fff; box-shadow: 0 1px 3px #0f172a1f; display: grid; grid-template-columns: 1fr auto } ul { margin: 20px 0; padding: 0 }
    small { grid-column: 1 / -1; color: ${ACCENT}; font-size: 14px; font-weight: 500 } strong { font-weight: 600 }</style>
    <img src="${pages.logo}" alt="${SITE}"><h1>Welcome back, Ana</h1><p>Your open orders</p>
    <ul>${rows.map(([what, state, price]) => `<li><strong>${what}</strong><span>${price}</span><small>${state}</small></li>`).join('')}</ul>`);
}

/** A configuration of fontconfig in which the typeface of pages is the one in `folder`. */
async function fonts(folder) {
  const file = path.join(temporary.folder, 'fonts.conf');
  const families = [['system-ui', 'Inter'], ['sans-serif', 'Inter'], ['monospace', 'DejaVu Sans Mono']]
    .map(([family, font]) => `<alias binding="same"><family>${family}</family><prefer><family>${font}</family></prefer></alias>`);
  await writeFile(file, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}</dir>
    <dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>${temporary.folder}/cache</cachedir>${families.join('')}</fontconfig>`);
  return file;
}
