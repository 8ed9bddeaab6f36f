// The two hooks of qrgate 0.1. Copy this file into your application as it is, and mount it before any body parser.
// `/_qr/whoami` returns the user of a session. `/_qr/login` opens a session for a phone: qrgate signs that call (Standard
// Webhooks) with a secret that only qrgate and this application have. Clients get a 404 from qrgate for both paths.

const crypto = require('node:crypto');
const fs = require('node:fs');
const express = require('express');

const LOGIN_PATH = '/_qr/login'; // login.path in proxy.toml

// The keys of QRGATE_HOOK_SECRET, or of the file QRGATE_HOOK_SECRET_FILE: one secret, or two during a rotation.
const file = process.env.QRGATE_HOOK_SECRET_FILE;
const secrets = (file ? fs.readFileSync(file, 'utf8') : process.env.QRGATE_HOOK_SECRET || '').match(/\S+/g) || [];
const KEYS = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
if (KEYS.length === 0 || KEYS.some((key) => key.length < 32)) throw new Error('QRGATE_HOOK_SECRET is missing or too short');

// The site's public origins, separated by spaces: 'https://app.example.com'.
const ORIGINS = (process.env.QRGATE_ORIGINS || '').split(/\s+/).filter(Boolean);
if (ORIGINS.length === 0) throw new Error('QRGATE_ORIGINS is missing');

// Calls of the last 15 minutes. For one process only: with several, use a shared store (Redis: SET key 1 NX EX 900).
const used = new Map();
function firstUse(key) {
  const now = Date.now();
  for (const [k, t] of used) if (t < now - 900_000) used.delete(k); else break;
  return used.has(key) ? false : !!used.set(key, now);
}

// Whether the call was signed for this hook. Compares with a setting, because a caller chooses its own Host.
const isForThisSite = ({ type, method, origin, url }) =>
  type === 'qr.login' && method === 'POST' && ORIGINS.includes(origin) && url === origin + LOGIN_PATH;

// The message, if its signature is valid, less than a minute old, meant for this site, and not used before; else null.
function signedMessage(req) {
  if (!Buffer.isBuffer(req.body)) throw new Error('qrgate hook: mount it before express.json()');
  const [id, ts, sigs] = ['id', 'timestamp', 'signature'].map((n) => req.get('webhook-' + n) || '');
  const wanted = KEYS.map((key) => crypto.createHmac('sha256', key).update(`${id}.${ts}.`).update(req.body).digest());
  const ok = sigs.split(' ').some((s) => {
    const got = Buffer.from(s.replace(/^v1,/, ''), 'base64');
    return s.startsWith('v1,') && wanted.some((want) => got.length === want.length && crypto.timingSafeEqual(got, want));
  });
  if (!ok || !(Math.abs(Date.now() / 1000 - ts) <= 60)) return null;
  const message = JSON.parse(req.body);
  return isForThisSite(message) && firstUse(`${id}:${ts}`) ? message : null;
}

// findUser(id) and currentUser(req) return a user ({ id, name, active }) or nothing; the id arrives as text.
// login(req, user, done) is the application's own sign-in.
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
