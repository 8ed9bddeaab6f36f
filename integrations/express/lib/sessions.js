'use strict';

/**
 * Gives the request a fresh session, so that nobody knows its id beforehand. express-session makes a new id; where the
 * session lives in the cookie itself (cookie-session), it is emptied.
 */
async function renew(req) {
  if (!req.session) throw new Error('qrgate: req.session is missing. Mount qrgate() after express-session');
  if (typeof req.session.regenerate === 'function') return called((done) => req.session.regenerate(done));
  req.session = {};
}

/**
 * Puts into the new session what the call says about it, and stores it. Gives the name by which the session can be
 * ended later: none for cookie-session.
 */
async function keep(req, { auth_time, stay }) {
  if (Number.isInteger(auth_time)) req.session.auth_time = auth_time;
  if (stay === 'browser' || (Number.isInteger(stay) && stay > 0)) last(req, stay);
  if (typeof req.session.save !== 'function') return undefined;
  await called((done) => req.session.save(done));
  return /^[\x21-\x7e]{1,128}$/.test(req.sessionID) && isStored(req) ? req.sessionID : undefined;
}

/** Sets how long the session's cookie lasts: until the browser ends, or a number of seconds. */
function last(req, stay) {
  const milliseconds = stay === 'browser' ? undefined : stay * 1000;
  if (req.session.cookie) {
    if (milliseconds) req.session.cookie.maxAge = milliseconds; else req.session.cookie.expires = null;
  } else if (req.sessionOptions) {
    req.sessionOptions.maxAge = milliseconds;
  }
}

const isStored = (req) => typeof req.sessionStore?.destroy === 'function';

/** A stored session by its name, or nothing. */
async function read(req, name) {
  if (!isStored(req) || typeof name !== 'string') return null;
  return called((done) => req.sessionStore.get(name, done));
}

/** Removes a session from the store. */
async function end(req, name) {
  return called((done) => req.sessionStore.destroy(name, done));
}

/** Explains a sign-in without a cookie, which express-session does not. */
function warnWithoutCookie(req, res) {
  res.once('finish', () => {
    if (res.getHeader('Set-Cookie')) return;
    process.emitWarning(
      'qrgate: the login hook set no session cookie. With cookie.secure, Express must know that the browser used https: '
      + "app.set('trust proxy', 'loopback') names qrgate's address. On an http address use secure: 'auto'",
      { code: 'QRGATE_NO_COOKIE' },
    );
  });
}

/** The result of a function that takes a callback. */
function called(call) {
  return new Promise((done, failed) => call((error, result) => (error ? failed(error) : done(result))));
}

module.exports = { end, keep, read, renew, warnWithoutCookie };
