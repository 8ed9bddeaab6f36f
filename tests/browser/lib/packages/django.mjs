// qrgate-django, in a project that `startproject` has just made.

import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { install, python } from './python.mjs';

/** A home page, and Django's own views for signing in and out. The boxes of the page go to the marked places. */
const URLS = `
from django.contrib.auth import urls as accounts
from django.views.generic import TemplateView

urlpatterns += [
    path("", TemplateView.as_view(template_name="home.html")),
    path("accounts/", (accounts.urlpatterns, None, None)),
]
`;
const SETTINGS = `
ALLOWED_HOSTS = ["*"]  # so that the hooks themselves judge a call with another Host
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
`;
const page = (content) => `<!doctype html><html lang="en"><title>Notes</title><link rel="icon" href="data:,"><h1>Notes</h1>\n${content}\n`;
const HOME = page(`{% if user.is_authenticated %}<p>You are signed in as {{ user }}.</p>
<!-- signed in -->
<form method="post" action="/accounts/logout/">{% csrf_token %}<button>Sign out</button></form>
{% else %}<p>You are not signed in.</p><a href="/accounts/login/">Sign in</a>{% endif %}`);
const LOGIN = page(`<form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>
<!-- sign-in page -->`);
const PEOPLE = `
from django.contrib.auth.models import User
for name in ["ana", "bob", "cleo"]:
    User.objects.create_user(name, password=name, is_active=name != "cleo")
User.objects.create_superuser("admin", password="admin")
`;

async function replace(file, place, text) {
  await writeFile(file, (await readFile(file, 'utf8')).replace(place, () => text));
}

export default {
  ...python('django'),
  undo: true,
  cookie: 'sessionid',
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  users: { administrator: '4' },

  async generate(folder, run) {
    await install(folder, run, 'examples/django/requirements.txt');
    await run('django-admin startproject notes .', { cwd: folder });
    const templates = path.join(folder, 'templates');
    await mkdir(path.join(templates, 'registration'), { recursive: true });
    await writeFile(path.join(templates, 'home.html'), HOME);
    await writeFile(path.join(templates, 'registration/login.html'), LOGIN);
    await appendFile(path.join(folder, 'notes/urls.py'), URLS);
    await appendFile(path.join(folder, 'notes/settings.py'), SETTINGS);
    await run(`python manage.py migrate --verbosity 0 && python manage.py shell -c '${PEOPLE}'`, { cwd: folder });
  },

  async add(folder, boxes) {
    const [settings, urls, button, link] = boxes.map(({ text }) => text);
    await appendFile(path.join(folder, 'notes/settings.py'), settings);
    await appendFile(path.join(folder, 'notes/urls.py'), urls);
    await replace(path.join(folder, 'templates/home.html'), '<!-- signed in -->', button);
    await replace(path.join(folder, 'templates/registration/login.html'), '<!-- sign-in page -->', link);
  },

  command: ['bash', ['-c', 'exec .venv/bin/gunicorn --workers 2 --bind "127.0.0.1:$PORT" --log-level warning notes.wsgi']],
};
