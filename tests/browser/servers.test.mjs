// Servers that let a request field move the path, with their defaults and the examples: such a request reaches a hook
// directly, and never through qrgate.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { isSession, message, newId, now, sign } from '../conformance/calls.mjs';
import { holdsTheContract } from '../conformance/contract.mjs';
import { EXAMPLES, startExample } from './lib/example.mjs';
import { startGate } from './lib/gate.mjs';

const DAPHNE = [['run.sh', '-m gunicorn --workers 2 --bind "$HOST:$PORT" --log-level warning mysite.wsgi', '-m daphne --bind "$HOST" --port "$PORT" --verbosity 0 mysite.asgi:application']];
const SERVERS = {
  'gunicorn, in front of the flask example': { example: 'flask', moves: 'SCRIPT_NAME' },
  'gunicorn, in front of the django example': { example: 'django', moves: 'SCRIPT_NAME' },
  'daphne, in front of the django example': { example: 'django', options: { edits: DAPHNE, venv: 'daphne' }, moves: 'Daphne-Root-Path' },
};

/** Names that move the path at some server, in the spellings of clients. */
const FIELDS = [
  'SCRIPT_NAME', 'script_name', 'Script-Name', 'SCRIPT-NAME', 'Script.Name', 'X_Script_Name', 'X-Script-Name', 'HTTP_SCRIPT_NAME',
  'Daphne-Root-Path', 'DAPHNE-ROOT-PATH', 'daphne_root_path', 'Daphne_Root-Path', 'PATH_INFO', 'Path-Info', 'path_info', 'Path.Info',
  'X-Forwarded-Prefix', 'X-Forwarded-Path', 'X-Original-Path', 'X-Original-URL', 'X-Rewrite-URL', 'REQUEST_URI',
];

/** Sends these fields unchanged; returns status, cookies and content of the response. */
function send(port, method, path, headers, body = '') {
  return new Promise((done, failed) => {
    const call = request({ host: '127.0.0.1', port, method, path, headers: { 'content-length': Buffer.byteLength(body), ...headers } }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      done({ status: response.statusCode, cookies: response.headers['set-cookie'] ?? [], text });
    });
    call.on('error', failed).end(body);
  });
}

describe('the Django package under ASGI', () => {
  holdsTheContract(() => startExample('django', { rotating: true, ...SERVERS['daphne, in front of the django example'].options }), {
    rotating: true,
    ...EXAMPLES.django.features,
  });
});

for (const [server, { example, options, moves }] of Object.entries(SERVERS)) {
  describe(`${server}:`, () => {
    let app;
    const gates = [];
    before(async () => {
      app = await startExample(example, options);
      gates.push(await startGate(app));
      const lenient = { sections: { application: { underscores_in_headers: true } } };
      gates.push(await startGate({ ...app, gatePort: undefined }, lenient));
    });
    after(async () => {
      for (const gate of gates) await gate.stop();
      await app?.stop();
    });

    /** A call that the hook accepts, and a question to the other hook, under `/shop`, with one more field. */
    async function tryOut(port, host, field, value = '/shop') {
      const [id, timestamp, body] = [newId(), now(), message(app)];
      const signed = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': sign(app.secret, id, timestamp, body),
      };
      const more = { host, ...(field && { [field]: value }) };
      const login = await send(port, 'POST', `/shop${app.login}`, { ...signed, ...more }, body);
      const whoami = await send(port, 'GET', `/shop${app.whoami}`, more);
      return { login, whoami, signsIn: login.cookies.some((line) => isSession(app, line.split('=')[0])) };
    }

    test(`straight to it, ${moves} leads to both hooks`, async () => {
      const { login, whoami, signsIn } = await tryOut(app.port, 'localhost', moves);
      assert.ok([200, 204].includes(login.status), login.text);
      assert.ok(signsIn);
      assert.deepEqual([whoami.status, whoami.text.trim()], [401, '{}']);
      const without = await tryOut(app.port, 'localhost');
      assert.deepEqual([without.login.status, without.whoami.status, without.signsIn], [404, 404, false]);
    });

    test('through qrgate no field leads to a hook', async () => {
      for (const gate of gates) {
        for (const field of FIELDS) {
          for (const value of ['/shop', '/shop/', '/_qr', app.login]) {
            const { login, whoami, signsIn } = await tryOut(gate.port, `localhost:${gate.port}`, field, value);
            const said = `${field}: ${value}`;
            assert.ok([400, 404].includes(login.status), `${said}: ${login.status}`);
            assert.ok([400, 404].includes(whoami.status), `${said}: ${whoami.status}`);
            assert.ok(!signsIn && whoami.text.trim() !== '{}', said);
          }
        }
      }
    });
  });
}
