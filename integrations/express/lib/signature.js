'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');

/** How many seconds the timestamp of a call may differ from this computer's clock. */
const TOLERANCE = 60;

/** How many seconds an accepted call is remembered: longer than its timestamp is valid. */
const REMEMBERED = 900;

/** The key in a secret as `qrgate secret` prints it. Throws for anything else, and for a key under 32 bytes. */
function decoded(secret) {
  const text = String(secret).replace(/^whsec_/, '');
  const key = Buffer.from(text, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || key.length < 32) {
    throw new Error('qrgate: a secret is not whsec_ and the base64 of 32 bytes or more. `qrgate secret` prints one');
  }
  return key;
}

/**
 * The message of a signed call (Standard Webhooks), or null: for a bad signature, a timestamp that is off, a call that
 * was signed for something else than `type` at `path` of one of `origins`, and one that was accepted before.
 */
async function accepted(body, headers, { type, path, keys, origins, replay }) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`] ?? '');
  if (!id || !isSigned(`${id}.${timestamp}.`, body, signatures, keys) || !isNow(timestamp)) return null;
  const message = parsed(body);
  // Compared with a setting: the caller chooses the Host field.
  const isMeant = message?.type === type && message.method === 'POST' && origins.includes(message.origin) &&
    message.url === message.origin + path;
  return isMeant && await replay.add(`${id}:${timestamp}`, REMEMBERED) ? message : null;
}

/** Whether one of the signatures is that of one of the keys. */
function isSigned(prefix, body, signatures, keys) {
  const wanted = keys.map((key) => createHmac('sha256', key).update(prefix).update(body).digest());
  return signatures.split(' ').some((signature) => {
    if (!signature.startsWith('v1,')) return false;
    const got = Buffer.from(signature.slice(3), 'base64');
    return wanted.some((want) => got.length === want.length && timingSafeEqual(got, want));
  });
}

function isNow(timestamp) {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE;
}

function parsed(body) {
  try {
    return JSON.parse(body.toString());
  } catch {
    return null;
  }
}

module.exports = { accepted, decoded };
