'use strict';

const { rawBody } = require('./body.js');
const { accepted } = require('./signature.js');
const sessions = require('./sessions.js');
const people = require('./people.js');

/** Returns the user of the session: 200 with the user, or 401. */
async function whoami(options, req, res) {
  const user = await people.current(options, req);
  if (!user) return res.status(401).json({});
  const { auth_time } = req.session;
  const isAllowed = options.allow ? await options.allow(user, req) === true : undefined;
  res.json({
    qrgate: 1,
    user_id: String(options.id(user)),
    name: text(options.name(user)),
    ...(isAllowed === undefined ? {} : { allow: isAllowed }),
    ...(Number.isInteger(auth_time) ? { auth_time } : {}),
  });
}

const text = (name) => (name === undefined || name === null ? '' : String(name));

/** Opens a session for the phone: 200 with its name, 204 if it has none, 401 or 404. */
async function login(options, req, res) {
  const message = await call(options, req, 'qr.login');
  if (!message) return res.status(401).json({ message: 'The call was not accepted.' });
  const user = await people.find(options, req, message.user_id);
  if (!user || (options.allow && await options.allow(user) !== true)) {
    return res.status(404).json({ message: 'This account cannot sign in.' });
  }
  req.qrgate = message; // for the application's own login function, and whatever listens to it
  await sessions.renew(req);
  await people.signIn(options, req, user);
  const name = await sessions.keep(req, message);
  sessions.warnWithoutCookie(req, res);
  if (name) res.json({ session: name }); else res.sendStatus(204);
}

/** Ends a session that the login hook named: 204, also if it has already ended; 401. */
async function revoke(options, req, res) {
  const message = await call(options, req, 'qr.revoke');
  if (!message) return res.status(401).json({ message: 'The call was not accepted.' });
  const session = await sessions.read(req, message.session);
  if (session && await people.isOf(options, req, session, message.user_id)) await sessions.end(req, message.session);
  res.sendStatus(204);
}

/** The message of the call, or null. */
async function call(options, req, type) {
  return accepted(await rawBody(req), req.headers, { ...options, type, path: req.baseUrl + req.path });
}

module.exports = { login, revoke, whoami };
