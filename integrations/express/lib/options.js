'use strict';

const fs = require('node:fs');
const { decoded } = require('./signature.js');
const { defaultReplay } = require('./replay.js');

/** The options with their defaults, checked. Throws with what to change. */
function finished(given) {
  const { path = '/_qr', ticketPath = '/qr/', sessionKey = 'userId', ...rest } = given;
  for (const name of Object.keys(rest)) {
    if (!KNOWN.includes(name)) throw new TypeError(`qrgate: unknown option ${name}; there are ${KNOWN.join(', ')}`);
  }
  return {
    id: (user) => user.id ?? user._id,
    name: (user) => user.name ?? user.displayName ?? user.username ?? user.email,
    active: (user) => user.active !== false,
    ...rest,
    path: path.replace(/\/+$/, ''),
    ticketPath,
    sessionKey,
    keys: secrets(given.secret).map(decoded),
    origins: origins(given.origins),
    replay: given.replay ?? defaultReplay(),
  };
}

const KNOWN = ['secret', 'origins', 'load', 'login', 'userId', 'id', 'name', 'active', 'allow', 'passport', 'replay'];

/** The secrets: the option, or QRGATE_HOOK_SECRET, or the content of the file that QRGATE_HOOK_SECRET_FILE names. */
function secrets(option) {
  const { QRGATE_HOOK_SECRET: text, QRGATE_HOOK_SECRET_FILE: file } = process.env;
  const found = words(option ?? (text || (file ? fs.readFileSync(file, 'utf8') : '')));
  if (found.length > 0) return found;
  throw new Error(
    'qrgate: no secret. Set QRGATE_HOOK_SECRET_FILE to the path of hook.secret, or QRGATE_HOOK_SECRET to its text',
  );
}

/** The public origins: the option, or QRGATE_ORIGINS. */
function origins(option) {
  const found = words(option ?? process.env.QRGATE_ORIGINS ?? '');
  if (found.length === 0) {
    throw new Error('qrgate: no origin. Set QRGATE_ORIGINS to the address that browsers see: https://app.example.com');
  }
  for (const origin of found) {
    if (isOrigin(origin)) continue;
    throw new Error(`qrgate: ${origin} is not an origin: write scheme and host alone, as in https://app.example.com`);
  }
  return found;
}

function isOrigin(text) {
  try {
    return new URL(text).origin === text;
  } catch {
    return false;
  }
}

/** A list, or a text whose items are separated by spaces or commas, as a list. */
function words(value) {
  return (Array.isArray(value) ? value : String(value).split(/[\s,]+/)).filter(Boolean);
}

module.exports = { finished };
