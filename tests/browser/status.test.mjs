// The open page with the code shows each change at once, by any transport that works, and never leaves a final state.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { startFront } from './lib/front.mjs';
import { freePort, start, temporaryFolder } from './lib/process.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

/** nginx as Debian ships it, with only a `proxy_pass`: it buffers responses and speaks HTTP/1.0 to qrgate. */
async function startNginx() {
  const { folder, remove } = await temporaryFolder();
  const port = await freePort();
  let running;
  const to = async (gate) => {
    const file = path.join(folder, 'nginx.conf');
    await writeFile(file, `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
      events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
        server {
          listen 127.0.0.1:${port};
          location / {
            proxy_pass http://127.0.0.1:${gate};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          }
        }
      }`);
    const { connect } = await import('node:net');
    const ready = () => new Promise((done) => {
      const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); }).on('error', () => done(false));
    });
    running = await start('/usr/sbin/nginx', ['-c', file, '-p', folder], { ready, within: 20_000 });
  };
  return { port, to, stop: async () => { await running?.stop(); await remove(); } };
}

/** The requests that the page made for its state, which show how it learnt of a change. */
function asked(computer) {
  const requests = [];
  computer.page.on('request', (request) => {
    if (request.url().includes('/qr/status/')) requests.push(request.headers().accept === 'text/event-stream' ? 'stream' : 'question');
  });
  return requests;
}

let app;
before(async () => { app = await startApplication(); });
after(() => app?.stop());

const LONG = { tickets: { lifetime: '10m' } };

inFrontOf('behind a default nginx', { app: () => app, gate: { front: startNginx, sections: LONG } }, ({ computer: atComputer, phone: withPhone }) => {
  test('each change arrives by the stream, none by polling', async () => {
    const computer = await atComputer();
    const requests = asked(computer);
    const phone = await withPhone();
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.sees('Is this your phone?');
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    assert.deepEqual([...new Set(requests)], ['stream']);
    computer.isContent();
  });
});

inFrontOf('where streams do not get through', {
  app: () => app,
  gate: { front: () => startFront({ holds: ({ headers }) => headers.accept === 'text/event-stream' }), sections: LONG },
}, ({ computer: atComputer, phone: withPhone, gate }) => {
  test('the page polls instead, and the sign-in is the same', async () => {
    const computer = await atComputer();
    const requests = asked(computer);
    const phone = await withPhone();
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.sees('Is this your phone?');
    assert.ok(gate().front.held > 0);
    assert.ok(requests.includes('question'));
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    const before = requests.length;
    await new Promise((done) => setTimeout(done, 2500));
    assert.equal(requests.length, before, 'at the end nothing more is asked');
  });
});

inFrontOf('where nothing but the page gets through', {
  app: () => app,
  gate: { front: () => startFront({ holds: ({ url, headers }) => url.includes('/status/') || /text\/plain/.test(headers['content-type'] ?? '') }), sections: LONG },
}, ({ computer: atComputer, phone: withPhone }) => {
  test('the form is submitted as a plain form', async () => {
    const computer = await atComputer();
    const phone = await withPhone();
    await computer.showCode();
    const { number } = await claim(computer, phone);
    await computer.typeNumber(number);
    await computer.reads('Almost done');
    await phone.isSignedInAs('ana');
  });
});

inFrontOf('the page with the code', { app: () => app, gate: { sections: LONG } }, ({ computer: atComputer, phone: withPhone }) => {
  test('counts down by the second', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const left = async () => {
      const [, minutes, seconds] = /Expires in (\d+):(\d\d)/.exec(await computer.text());
      return Number(minutes) * 60 + Number(seconds);
    };
    const first = await left();
    await computer.until(async () => (await left()) <= first - 2, () => 'it does not count');
  });

  test('names an unknown phone in the language of the page', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const phone = await withPhone();
    await phone.page.setUserAgent('unheard-of/1.0');
    await computer.page.evaluate(() => { document.querySelector('script').dataset.unknown = 'Unbekanntes Gerät'; });
    await claim(computer, phone);
    await computer.reads('Unbekanntes Gerät');
  });

  test('keeps its final state, whatever follows', async () => {
    const computer = await atComputer();
    await computer.showCode();
    await computer.press('Cancel', { follow: false });
    await computer.sees('Sign-in stopped');
    await computer.inAnotherTab('/qr/'); // a newer code would make it `replaced`
    await computer.page.evaluate(() => {
      dispatchEvent(new Event('visibilitychange'));
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    });
    await new Promise((done) => setTimeout(done, 1000));
    assert.equal(await computer.heading(), 'Sign-in stopped');
  });

  test('hides the code when it is left, and shows no old one when Back brings it again (D16)', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    await computer.page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })));
    assert.equal(await computer.readCode(), '', 'what a cache of pages keeps has no code in it');
    await computer.page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
    await computer.until(async () => (await computer.readCode()) === link, () => 'a living code comes back');
    await computer.open('/');
    await computer.page.goBack().catch(() => {}); // browsers may not restore a page that is the response to a POST
    await computer.until(async () => (await computer.readCode()) !== link || (await computer.heading()) === 'Sign in on your phone', () => 'nothing came back');
  });

  test('shows what happened while the page was hidden', async () => {
    const computer = await atComputer();
    await computer.showCode();
    const link = await computer.readCode();
    const tab = await computer.context.newPage(); // in front: the page with the code is hidden, where a browser hides it
    await tab.goto('about:blank');
    const phone = await withPhone();
    await phone.open(link);
    await phone.press('Continue');
    await phone.number();
    await computer.page.bringToFront();
    await computer.sees('Is this your phone?');
  });
});
