// A small site with Express and express-session. The lines for qrgate are marked "qrgate:".

const crypto = require('node:crypto');
const express = require('express');
const session = require('express-session');
const qrgate = require('qrgate-express'); // qrgate:

// The passwords are the names: never do this in a real site. cleo's account is deactivated.
const users = [
  { id: 1, name: 'ana', active: true },
  { id: 2, name: 'bob', active: true },
  { id: 3, name: 'cleo', active: false },
];
const findUser = (id) => users.find((user) => String(user.id) === id);
const currentUser = (req) => findUser(String(req.session.userId));

const app = express();

// qrgate: its fields carry the scheme and the address of the browser's request. Without this line, cookies with
// `secure: true` are silently not set. Only the peers named here are trusted; in containers: 'loopback, uniquelocal'.
app.set('trust proxy', 'loopback');

app.use(session({
  secret: crypto.randomBytes(32).toString('hex'), // random and in memory: a restart ends all sessions. A real site keeps both
  resave: false,
  saveUninitialized: false,
  cookie: { sameSite: 'lax', secure: 'auto' }, // a real site on https: secure: true
}));

// qrgate: before body parsers, CSRF protection and rate limits.
app.use(qrgate({ load: findUser }));

app.use(express.urlencoded({ extended: false }));

app.get('/', (req, res) => {
  const user = currentUser(req);
  res.send(page('Notes', user
    ? `<h1>Notes</h1>
<p id="whoami">You are signed in as <strong>${escape(user.name)}</strong>.</p>

<!-- qrgate: -->
${res.locals.qrgate.button()}

<form method="post" action="/logout"><button>Sign out</button></form>`
    : '<h1>Notes</h1><p id="whoami">You are not signed in.</p><p><a href="/login">Sign in</a></p>'));
});

app.get('/login', (req, res) => res.send(loginPage(res, String(req.query.next ?? '/'), '')));

app.post('/login', (req, res, next) => {
  const { username, password, next: to = '/' } = req.body ?? {};
  const user = users.find((user) => user.active && user.name === username && user.name === password);
  if (!user) return res.status(401).send(loginPage(res, to, '<p>Wrong name or password.</p>'));
  req.session.regenerate((err) => { // a new session id
    if (err) return next(err);
    req.session.userId = user.id;
    req.session.auth_time = Math.floor(Date.now() / 1000); // qrgate: when a password was typed
    res.redirect(303, local(to));
  });
});

app.post('/logout', (req, res, next) => req.session.destroy((err) => (err ? next(err) : res.redirect(303, '/'))));

// Only paths of this site: `//elsewhere` and `/\elsewhere` lead to another.
const local = (to) => (/^\/(?![/\\])[^\x00-\x20\x7f]*$/.test(to) ? to : '/');
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const loginPage = (res, to, error) => page('Sign in – Notes', `<h1>Sign in</h1>
<form method="post" action="/login">
  ${error}
  <label>User name <input name="username" autofocus autocapitalize="none" autocomplete="username" required></label>
  <label>Password <input type="password" name="password" autocomplete="current-password" required></label>
  <input type="hidden" name="next" value="${escape(local(to))}">
  <button>Sign in</button>
</form>

<!-- qrgate: -->
<p>${res.locals.qrgate.signinLink({ next: to })}</p>`);

const page = (title, content) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem }
  input, button { font: inherit; padding: .5rem .8rem }
  label { display: block; margin: .5rem 0 }
</style>
${content}
</html>
`;

const port = Number(process.env.PORT ?? 8000);
const host = process.env.HOST ?? '127.0.0.1'; // only qrgate may reach it
app.listen(port, host, (err) => {
  if (err) throw err;
  console.log(`Notes on http://${host}:${port}/`);
});
