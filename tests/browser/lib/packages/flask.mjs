// qrgate-flask, in an application with Flask-Login: with Flask's own sessions, which live in their cookies, and with Flask-Session.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { install, python } from './python.mjs';

const SESSIONS = `
from cachelib.file import FileSystemCache
from flask_session import Session

app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache("sessions"))
Session(app)
`;

/** The application before it gets the package. The boxes of the page go to the marked places. */
const application = (sessions) => `from flask import Flask, redirect, render_template_string, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

app = Flask(__name__)
app.secret_key = "a secret of this test"
${sessions}
logins = LoginManager(app)
# qrgate


class User(UserMixin):
    def __init__(self, id, name):
        self.id, self.name, self.is_admin = id, name, name == "admin"

    @property
    def is_active(self):
        return self.name != "cleo"


USERS = [User(at + 1, name) for at, name in enumerate(["ana", "bob", "cleo", "admin"])]
PAGE = '<!doctype html><html lang="en"><title>Notes</title><link rel="icon" href="data:,"><h1>Notes</h1>'
HOME = """{% if user.is_authenticated %}<p>You are signed in as {{ user.name }}.</p><!-- signed in -->
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}<p>You are not signed in.</p><a href="/login">Sign in</a>{% endif %}"""
LOGIN = """<form method="post"><input name="username"><input name="password" type="password"><button>Sign in</button></form>
<!-- sign-in page -->"""


@logins.user_loader
def load_user(id):
    return next((user for user in USERS if user.id == int(id)), None)


@app.get("/")
def home():
    return render_template_string(PAGE + HOME, user=current_user)


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return render_template_string(PAGE + LOGIN)
    login_user(next(user for user in USERS if user.name == request.form["username"]))
    return redirect("/", 303)


@app.post("/logout")
def logout():
    logout_user()
    return redirect("/", 303)
`;

const row = (title, sessions, features) => ({
  ...python('flask'),
  title,
  cookie: 'session',
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, ...features },
  users: { administrator: '4' },

  async generate(folder, run) {
    await install(folder, run, 'integrations/requirements-newest.txt');
    await writeFile(path.join(folder, 'app.py'), application(sessions));
  },

  async add(folder, boxes) {
    const [extension, helpers] = boxes.map(({ text }) => text);
    const [button, link] = helpers.trim().split('\n');
    const file = path.join(folder, 'app.py');
    const text = await readFile(file, 'utf8');
    const places = { '# qrgate\n': extension, '<!-- signed in -->': button, '<!-- sign-in page -->': link };
    await writeFile(file, Object.entries(places).reduce((text, [place, added]) => text.replace(place, () => added), text));
  },

  command: ['bash', ['-c', 'exec .venv/bin/gunicorn --workers 2 --bind "127.0.0.1:$PORT" --log-level warning app:app']],
});

export const withCookies = row('qrgate-flask', '', {});
export const withFlaskSession = row('qrgate-flask, with Flask-Session', SESSIONS, { revoke: true });
