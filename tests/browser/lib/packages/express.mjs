// qrgate-express: `npm pack`, and a fresh project of `npm init` with express-session. npm reads the cache that
// tests/setup.sh filled, and no registry.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../process.mjs';

const FOLDER = path.join(ROOT, 'integrations/express');

/** The application before it gets the package. The boxes of the page go to the marked places. */
const APPLICATION = `const express = require('express');
const session = require('express-session');

const users = ['ana', 'bob', 'cleo'].map((name, at) => ({ id: at + 1, name, active: name !== 'cleo' }));
const app = express();
app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, cookie: { secure: 'auto', sameSite: 'lax' } }));
// after the session
app.use(express.urlencoded());

app.get('/', (req, res) => {
  const user = users.find(({ id }) => id === req.session.userId);
  res.send(page(user ? \`<p>You are signed in as \${user.name}.</p><!-- signed in --><form method="post" action="/logout"><button>Sign out</button></form>\`
    : '<p>You are not signed in.</p><a href="/login">Sign in</a>'));
});
app.get('/login', (req, res) => res.send(page(\`<form method="post"><input name="username"><input name="password" type="password">
  <button>Sign in</button></form><!-- sign-in page -->\`)));
app.post('/login', (req, res) => req.session.regenerate(() => {
  req.session.userId = users.find(({ name }) => name === req.body.username)?.id;
  res.redirect(303, '/');
}));
app.post('/logout', (req, res) => req.session.destroy(() => res.redirect(303, '/')));
const page = (content) => \`<!doctype html><html lang="en"><title>Notes</title><link rel="icon" href="data:,"><h1>Notes</h1>\${content}\`;
app.listen(process.env.PORT, '127.0.0.1');
`;

export default {
  stack: 'express',
  name: 'qrgate-express',
  cookie: 'connect.sid',
  features: { rotating: true, version: 1, authTime: true, stay: true, revoke: true },
  undo: true,
  env: { npm_config_cache: path.join(ROOT, 'target/npm-cache'), npm_config_offline: 'true', npm_config_update_notifier: 'false' },

  async build(folder, run) {
    const { stdout } = await run(`npm pack --silent --pack-destination ${folder}`, { cwd: FOLDER });
    return path.join(folder, stdout.trim());
  },

  async generate(folder, run) {
    await run('npm init --yes', { cwd: folder });
    await run('npm install --silent express@5.3.0 express-session@1.19.0', { cwd: folder });
    await writeFile(path.join(folder, 'app.js'), APPLICATION);
  },

  /** Puts the boxes of the page into the application: the middleware, and the two helpers. */
  async add(folder, boxes) {
    const [middleware, helpers] = boxes.map(({ text }) => text);
    const [button, link] = helpers.trim().split('\n');
    const file = path.join(folder, 'app.js');
    const text = await readFile(file, 'utf8');
    const places = { '// after the session\n': middleware, '<!-- signed in -->': button, '<!-- sign-in page -->': link };
    await writeFile(file, Object.entries(places).reduce((text, [place, added]) => text.replace(place, () => added), text));
  },

  command: ['node', ['app.js']],
};
