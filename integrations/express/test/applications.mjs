// Small applications with the middleware for the tests of the package, each with another kind of session.

import { createRequire } from 'node:module';
import cookieSession from 'cookie-session';
import session from 'express-session';
import { Passport } from 'passport';
import qrgate from 'qrgate-express';
import { newSecret } from '../../../tests/conformance/calls.mjs';

const require = createRequire(import.meta.url);

export const ORIGINS = ['http://localhost:8080', 'https://app.example.com'];

export const users = [
  { id: 1, name: 'ana', active: true },
  { id: 2, name: 'bob', active: true },
  { id: 3, name: 'cleo', active: false },
  { id: 4, name: 'root', active: true, isAdmin: true },
];
export const load = async (id) => users.find((user) => String(user.id) === id);

/** Sessions of each kind: what is mounted before qrgate(), and the options that it needs. */
export const SESSIONS = {
  'express-session': { cookie: 'connect.sid', mount: (app) => app.use(stored()), options: { load } },
  'express-session, and a login function of the application': {
    cookie: 'connect.sid',
    mount: (app) => app.use(stored()),
    options: {
      load,
      login: (req, user, done) => { req.session.account = { number: user.id }; done(); },
      userId: ({ session }) => session.account?.number,
    },
  },
  'Passport, whose session has an id': {
    cookie: 'connect.sid',
    mount: (app) => withPassport(app, (user, done) => done(null, user.id)),
    options: {},
  },
  'Passport, whose session has an object': {
    cookie: 'connect.sid',
    mount: (app) => withPassport(app, (user, done) => done(null, { id: user.id, name: user.name })),
    options: { load },
  },
  'cookie-session': {
    cookie: 'session',
    mount: (app) => app.use(cookieSession({ name: 'session', secret: 'test', sameSite: 'lax' })),
    options: { load },
    features: { revoke: false },
  },
};

const stored = () => session({ secret: 'test', resave: false, saveUninitialized: false, cookie: { sameSite: 'lax', secure: 'auto' } });

/** Passport as its own documentation mounts it. What `deserializeUser` is given is a key of `users`, or a whole user. */
function withPassport(app, serialize) {
  const passport = new Passport();
  passport.serializeUser(serialize);
  passport.deserializeUser((kept, done) => done(null, users.find(({ id }) => id === (kept.id ?? kept)) ?? false));
  app.use(stored(), passport.initialize(), passport.session());
}

/** Starts an application; returns what tests/conformance/contract.mjs needs. `mount(app)` comes before qrgate(). */
export async function start({ kind = 'express-session', version = 'express', mount = () => {}, at, options = {} } = {}) {
  const express = require(version);
  const app = express();
  const [secret, oldSecret] = [newSecret(), newSecret()];
  const { cookie, mount: mountSession, options: own } = SESSIONS[kind];
  const errors = [];
  mountSession(app);
  mount(app, express);
  const hooks = qrgate({ secret: [oldSecret, secret], origins: ORIGINS, allow: (user) => !user.isAdmin, ...own, ...options });
  if (at) app.use(at, hooks); else app.use(hooks);
  app.use(express.json());
  app.get('/', (req, res) => res.send(res.locals.qrgate.button()));
  app.use((error, req, res, next) => { errors.push(error.message); res.sendStatus(error.status ?? 500); });
  const server = await new Promise((done) => { const server = app.listen(0, '127.0.0.1', () => done(server)); });
  const hook = (name) => `${at ?? ''}/_qr/${name}`;
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    whoami: hook('whoami'), login: hook('login'), revoke: hook('revoke'),
    cookie, origins: ORIGINS, secret, oldSecret, errors, users: { active: '1', other: '2', inactive: '3', unknown: '999', administrator: '4' },
    stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
}
