// The two hooks that qrgate calls. An operator adds this file and mounts it (see app.js); nothing in it is about this
// example. `/_qr/whoami` says whose session a cookie is. `/_qr/login` makes a session for a phone, when qrgate asks for
// it with a signature (Standard Webhooks) that only it can make. Browsers never reach either: qrgate answers 404.

const crypto = require('node:crypto');
const express = require('express');

// A missing secret stops the start: better than a hook that anyone can call.
const KEY = Buffer.from((process.env.QRGATE_HOOK_SECRET || '').trim().replace(/^whsec_/, ''), 'base64');
if (KEY.length < 32) throw new Error('QRGATE_HOOK_SECRET is missing or too short');

// Where people see the site: 'https://app.example.com', separated by spaces.
const ORIGINS = (process.env.QRGATE_ORIGINS || '').split(/\s+/).filter(Boolean);
if (ORIGINS.length === 0) throw new Error('QRGATE_ORIGINS is missing');
const LOGIN_PATH = '/_qr/login'; // login.path in proxy.toml

// Calls seen in the last 15 minutes. One process only: with several, use what they share (Redis: SET key 1 NX EX 900).
const used = new Map();
function firstUse(key) {
  const now = Date.now();
  for (const [k, t] of used) if (t < now - 900_000) used.delete(k); else break;
  return used.has(key) ? false : !!used.set(key, now);
}

// Whether a call was signed for this hook: another site may have the same secret, and a caller can send any Host.
const isForThisSite = ({ type, method, origin, url }) =>
  type === 'qr.login' && method === 'POST' && ORIGINS.includes(origin) && url === origin + LOGIN_PATH;

// The message, if it was signed with our secret within the last minute, for this site, and is new; else null.
function signedMessage(req) {
  if (!Buffer.isBuffer(req.body)) throw new Error('qrgate hook: mount it before express.json()');
  const [id, ts, sigs] = ['id', 'timestamp', 'signature'].map((n) => req.get('webhook-' + n) || '');
  const want = crypto.createHmac('sha256', KEY).update(`${id}.${ts}.`).update(req.body).digest();
  const ok = sigs.split(' ').some((s) => {
    const got = Buffer.from(s.replace(/^v1,/, ''), 'base64');
    return s.startsWith('v1,') && got.length === want.length && crypto.timingSafeEqual(got, want);
  });
  if (!ok || !(Math.abs(Date.now() / 1000 - ts) <= 60)) return null;
  const message = JSON.parse(req.body);
  return isForThisSite(message) && firstUse(`${id}:${ts}`) ? message : null;
}

// findUser(id) and currentUser(req) give a user ({ id, name, active }) or nothing; login(req, user, done) is the
// application's own sign-in.
module.exports = ({ findUser, currentUser, login }) => express.Router()
  .get('/_qr/whoami', (req, res) => {
    const user = currentUser(req);
    res.set('Cache-Control', 'no-store');
    if (!user) return res.status(401).json({});
    res.json({ user_id: String(user.id), name: user.name });
  })
  .post(LOGIN_PATH, express.raw({ type: 'application/json' }), async (req, res, next) => {
    try { // Express 4 does not catch what an async handler throws
      const message = signedMessage(req);
      if (!message) return res.sendStatus(401);
      const user = await findUser(message.user_id);
      if (!user || !user.active) return res.status(404).json({ message: 'This account cannot sign in.' });
      login(req, user, (err) => (err ? next(err) : res.sendStatus(204)));
    } catch (err) { next(err); }
  });
