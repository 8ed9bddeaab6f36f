// Which cookies browsers keep, and send to the identify hook: the table that src/cookies agrees with (cookies.json). Its
// rows say where (`at`), what a response under /qr/ sets (`lines`), and what a request to /_qr/whoami carries then in
// both browsers (`kept`; `chromium` or `firefox` where one of them keeps more).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { BROWSERS, launch } from './lib/browser.mjs';
import { temporaryFolder } from './lib/process.mjs';

const ROWS = JSON.parse(readFileSync(new URL('cookies.json', import.meta.url)));

/** `{x*9}` is nine times x. */
const written = (text) => text.replace(/\{(.)\*(\d+)\}/g, (_, letter, times) => letter.repeat(times));

/** Each row has a separate site, so that it does not get cookies of another row. */
const own = (text, index) => text.replaceAll(/example\.com/gi, (name) => name.replace(/example/i, `$&${index}`));

/** Without a separate site it needs a separate cookie jar, which takes longer. */
async function inItsOwnJar(browser, story) {
  const context = await browser.createBrowserContext();
  await story(await context.newPage());
  await context.close();
}

describe('cookies', () => {
  let ports, place;
  const sent = new Map(); // by browser and row
  const servers = [];

  /** Responds to `/qr/ROW/` with its lines, in raw bytes that no HTTP server would send, and records the cookies of `/_qr/whoami?ROW`. */
  function serve(socket) {
    let head = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const [, index, key] = /^GET \/(?:qr\/(\d+)\/|_qr\/whoami\?(\w+)) /.exec(head) ?? [];
      if (key) sent.set(key, /^cookie: (.*?)\r$/im.exec(head)?.[1] ?? '');
      const row = ROWS[index];
      const lines = row ? row.lines.map((line) => `Set-Cookie: ${own(written(line), index)}\r\n`) : [];
      const fields = 'Content-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n';
      socket.end(Buffer.from(`HTTP/1.1 200 OK\r\n${fields}${lines.join('')}\r\nok`, 'latin1'));
    });
  }

  before(async () => {
    place = await temporaryFolder();
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=app.example.com',
      '-addext', 'subjectAltName=DNS:app.example.com', '-keyout', 'key.pem', '-out', 'certificate.pem',
    ], { cwd: place.folder, stdio: 'ignore' });
    const file = (name) => readFileSync(path.join(place.folder, name));
    servers.push(createServer(serve), tls.createServer({ key: file('key.pem'), cert: file('certificate.pem') }, serve));
    await Promise.all(servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done))));
    ports = { 'http:': servers[0].address().port, 'https:': servers[1].address().port };
  });
  after(async () => {
    for (const server of servers) server.close();
    await place.remove();
  });

  async function tryOut(page, name, index, row) {
    const { protocol, hostname } = new URL(own(row.at, index));
    const origin = `${protocol}//${hostname}:${ports[protocol]}`;
    await page.goto(`${origin}/qr/${index}/`);
    await page.evaluate((address) => fetch(address), `/_qr/whoami?${name}${index}`);
    assert.equal(sent.get(`${name}${index}`), written(row[name] ?? row.kept), `${row.at} ${JSON.stringify(row.lines)}`);
  }

  for (const name of BROWSERS) {
    test(`are kept and sent by ${name} as the table says`, async () => {
      const browser = await launch(name);
      try {
        const page = await browser.newPage();
        for (const [index, row] of ROWS.entries()) {
          if (row.at.endsWith('example.com')) await tryOut(page, name, index, row);
          else await inItsOwnJar(browser, (page) => tryOut(page, name, index, row));
        }
      } finally {
        await browser.close();
      }
    });
  }
});
