// A site in this process, as small as the examples, for what no example does: respond late, redirect elsewhere, plant a
// service worker, or hand out the code with no protection at all.

import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import https from 'node:https';
import http from 'node:http';
import path from 'node:path';
import { freePort, temporaryFolder } from './process.mjs';

/**
 * Starts the site. Typing a name signs in as that user.
 *
 * - `sameSite`: of its session cookie
 * - `fields`: further fields of each of its pages
 * - `head`: markup for the head of each of its pages
 * - `files`: further pages, by path: `{ type, text }`, or a function that responds
 * - `names`: whether the login hook names the session, for the revoke hook
 */
export async function startApplication({ sameSite = 'Lax', fields = {}, head = '', files = {}, names = false } = {}) {
  const { folder, remove } = await temporaryFolder();
  const secretFile = path.join(folder, 'hook.secret');
  await writeFile(secretFile, `whsec_${randomBytes(32).toString('base64')}\n`);
  const sessions = new Map();
  /** Calls of the login hook, and how it responds: `{ after }` ms, `{ before }` a promise to wait for. Those of the revoke hook, and its status. */
  const hook = { calls: [], answered: 0, wait: async () => {}, revokes: [], revoke: 204 };
  const who = (request) => sessions.get(/(?:^|;\s*)session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]);
  const nameOf = (id) => createHash('sha256').update(id).digest('hex');
  const session = (name) => {
    const id = randomBytes(12).toString('hex');
    sessions.set(id, name);
    return `session=${id}; Path=/; HttpOnly; SameSite=${sameSite}`;
  };
  const page = (response, content, { status = 200, ...more } = {}) => {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...fields, ...more });
    response.end(`<!doctype html><html lang="en"><title>Notes</title><link rel="icon" href="data:,">${head}<h1>Notes</h1>${content}`);
  };
  const routes = {
    '/': (request, response) => {
      const name = who(request);
      page(response, name
        ? `<p>You are signed in as ${name}.</p><form method="post" action="/qr/"><button>Sign in on your phone</button></form>
           <form method="post" action="/logout"><button>Sign out</button></form>`
        : '<p>You are not signed in.</p>');
    },
    '/login': async (request, response, url) => {
      if (request.method !== 'POST') {
        const next = (url.searchParams.get('next') ?? '/').replace(/[^\w/?=&%.-]/g, '');
        return page(response, `<form method="post"><input name="username"><input name="password" type="password">
          <input type="hidden" name="next" value="${next}"><button>Sign in</button></form>`);
      }
      const form = new URLSearchParams(await body(request));
      response.writeHead(303, { 'set-cookie': session(form.get('username')), location: form.get('next') }).end();
    },
    '/logout': (request, response) => {
      sessions.delete(/session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]);
      response.writeHead(303, { location: '/' }).end();
    },
    '/_qr/whoami': (request, response) => {
      const name = who(request);
      response.writeHead(name ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(name ? { user_id: name, name } : {}));
    },
    '/_qr/login': async (request, response) => {
      const call = JSON.parse(await body(request));
      hook.calls.push(call);
      await hook.wait(hook.calls.length);
      hook.answered += 1;
      const cookie = session(call.user_id);
      if (!names) return void response.writeHead(204, { 'set-cookie': cookie }).end();
      response.writeHead(200, { 'set-cookie': cookie, 'content-type': 'application/json' });
      response.end(JSON.stringify({ session: nameOf(/session=(\w+)/.exec(cookie)[1]) }));
    },
    '/_qr/revoke': async (request, response) => {
      const call = JSON.parse(await body(request));
      hook.revokes.push(call);
      if (hook.revoke === 204) for (const id of sessions.keys()) if (nameOf(id) === call.session) sessions.delete(id);
      response.writeHead(hook.revoke).end();
    },
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://application');
    const file = files[url.pathname];
    if (typeof file === 'function') return void file(request, response, url);
    if (file) return void response.writeHead(200, { 'content-type': file.type ?? 'text/html', ...fields }).end(file.text);
    const route = routes[url.pathname];
    if (route) return void route(request, response, url);
    page(response, '<p>There is nothing here.</p>', { status: 404 });
  });
  const port = await freePort();
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    await remove();
  };
  return {
    url: `http://127.0.0.1:${port}`, port, secretFile, form: '/login', cookie: 'session', whoami: '/_qr/whoami', login: '/_qr/login',
    files, hook, stop,
    /** The value of the session cookie of a new sign-in. */
    signedIn: (name) => /session=(\w+)/.exec(session(name))[1],
  };
}

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/**
 * The page with the code, minted as a browser would ask for it, with the session of `request`: what qrgate would hand
 * out if it protected nothing.
 */
export async function mintFor(request, gate) {
  const { host, protocol } = new URL(gate.origin);
  const response = await new Promise((done, failed) => {
    (protocol === 'https:' ? https : http).request({
      host: '127.0.0.1', port: gate.port, path: '/qr/', method: 'POST', rejectUnauthorized: false, servername: new URL(gate.origin).hostname,
      headers: {
        host, origin: gate.origin, cookie: /session=[\w-]+/.exec(request.headers.cookie ?? '')?.[0] ?? '', 'content-length': 0,
        'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-user': '?1',
      },
    }, done).on('error', failed).end();
  });
  return body(response);
}
