'use strict';

const { promisify } = require('node:util');

/** The active user of this request's session, or nothing. */
async function current(options, req) {
  if (!req.session) throw new Error('qrgate: req.session is missing. Mount qrgate() after express-session');
  if (isPassport(options, req)) return ifActive(options, req[req._userProperty ?? 'user']);
  const id = await ownId(options, req);
  return id === undefined || id === null ? null : find(options, req, String(id));
}

/** The active user with this id, or nothing. The id is text. */
async function find(options, req, id) {
  if (typeof id !== 'string' || id === '') return null;
  if (options.load) return ifActive(options, await options.load(id, req));
  if (isPassport(options, req)) return ifActive(options, await deserialized(options, req, id));
  throw new Error('qrgate: pass load, a function that returns the user with an id; or mount qrgate() after Passport');
}

/** Calls the application's own sign-in: the option, Passport's, or one that puts the id into the session. */
async function signIn(options, req, user) {
  if (options.login) {
    return options.login.length > 2 ? promisify(options.login)(req, user) : options.login(req, user);
  }
  if (isPassport(options, req)) return promisify(req.login).call(req, user);
  req.session[options.sessionKey] = options.id(user);
}

/** Whether a stored session is this user's, active or not. */
async function isOf(options, req, session, id) {
  if (!isPassport(options, req)) return String(await ownId(options, { session })) === id;
  const state = session[req._sessionManager?._key ?? 'passport'];
  const user = state?.user !== undefined && await deserialize(options, req, state.user);
  return Boolean(user) && String(options.id(user)) === id;
}

/** The id in a session without Passport. */
const ownId = (options, holder) => (options.userId ? options.userId(holder) : holder.session[options.sessionKey]);

/** Whether Passport keeps this session's user: unless the application says where it keeps the id itself. */
function isPassport(options, req) {
  return !options.userId && typeof req.login === 'function';
}

/**
 * The user with an id, by Passport's deserializeUser. An application may have made it for numbers, or for something
 * else than an id; so the id of what it returns decides.
 */
async function deserialized(options, req, id) {
  const isNumber = /^(0|[1-9]\d{0,15})$/.test(id);
  for (const serialized of isNumber ? [id, Number(id)] : [id]) {
    const user = await deserialize(options, req, serialized);
    if (user && String(options.id(user)) === id) return user;
    if (user) throw new Error('qrgate: deserializeUser takes something else than a user\'s id. Pass load: (id) => the user');
  }
  return null;
}

function deserialize(options, req, serialized) {
  const passport = options.passport ?? req._passport?.instance;
  if (!passport) throw new Error('qrgate: pass load: (id) => the user; or passport, without passport.initialize()');
  return promisify(passport.deserializeUser).call(passport, serialized, req);
}

const ifActive = (options, user) => (user && options.active(user) ? user : null);

module.exports = { current, find, isOf, signIn };
