// Calls of an application's hooks, signed as qrgate signs them.

import { createHmac, randomBytes } from 'node:crypto';
import { request } from 'node:http';

/** Sends a POST with exactly these fields: `fetch` would set `Host` itself. */
export function post(url, headers, body) {
  return new Promise((done, failed) => {
    const call = request(url, { method: 'POST', headers: { 'content-length': Buffer.byteLength(body), ...headers } }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      done({ status: response.statusCode, cookies: response.headers['set-cookie'] ?? [], text });
    });
    call.on('error', failed).end(body);
  });
}

/** Whether a cookie, by its name, is the session of `app`. */
export function isSession(app, name) {
  return app.cookie.endsWith('*') ? name.startsWith(app.cookie.slice(0, -1)) : name === app.cookie;
}

/** The content of a call of the login hook of `app`, as docs/recipes/README.md shows it; `fields` replace members. */
export function message(app, fields = {}) {
  const origin = app.origins[0];
  return JSON.stringify({
    type: 'qr.login',
    user_id: app.users?.active ?? '1',
    ticket: 'test',
    issued_at: now(),
    amr: ['qr'],
    origin,
    method: 'POST',
    url: origin + app.login,
    phone: { address: '203.0.113.7', user_agent: 'Test', label: 'Safari on iPhone' },
    ...fields,
  });
}

/** Unix time in seconds. */
export const now = () => Math.floor(Date.now() / 1000);

/** A secret as `qrgate secret` prints it. */
export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** A webhook-id as qrgate makes it. */
export const newId = () => randomBytes(16).toString('base64url');

/** The value of webhook-signature (Standard Webhooks, version 1). */
export function sign(secret, id, timestamp, body) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return 'v1,' + createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
}

/** The content of a call of the revoke hook for a session that the login hook named. */
export function revocation(app, session, fields = {}) {
  const origin = app.origins[0];
  return JSON.stringify({
    type: 'qr.revoke',
    user_id: app.users?.active ?? '1',
    session,
    ticket: 'test',
    issued_at: now(),
    origin,
    method: 'POST',
    url: origin + app.revoke,
    ...fields,
  });
}
