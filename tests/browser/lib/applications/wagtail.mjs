// Wagtail with qrgate-django, in the project that `wagtail start` makes.

import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { install, python } from '../packages/python.mjs';

const PEOPLE = `
from django.contrib.auth.models import Group, User
for name in ["ana", "bob", "cleo", "dora"]:
    user = User.objects.create_user(name, password=name, first_name=name, is_active=name != "cleo")
    user.groups.add(Group.objects.get(name="Editors"))
User.objects.create_superuser("admin", password="admin")
`;

const ACCOUNT = '/admin/account/';

export default {
  ...python('django'),
  app: 'wagtail',
  title: 'Wagtail',
  undo: true,
  cookie: 'sessionid',
  features: { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true },
  users: { administrator: '5' },
  expected: [/gravatar/, /wagtail\.org/, /ERR_/, /localizeTimeZoneOptions/],

  async generate(project, run) {
    await install(project, run, 'tests/browser/wagtail.txt');
    await run(`rm requirements.txt && wagtail start notes . && python manage.py migrate --verbosity 0 && python manage.py shell -c '${PEOPLE}'`, { cwd: project });
  },

  async add(project, boxes) {
    const [settings, urls] = boxes.map(({ text }) => text);
    await appendFile(path.join(project, 'notes/settings/base.py'), settings);
    await appendFile(path.join(project, 'notes/urls.py'), urls);
  },

  async signIn(person, name) {
    await person.open('/admin/login/');
    await person.page.type('[name=username]', name);
    await person.page.type('[name=password]', name);
    await person.press('Sign in');
    await person.open(ACCOUNT);
  },

  async press(person) {
    await person.page.$eval('a[href="#tab-actions"]', (tab) => tab.click());
    await person.press('Sign in on your phone');
    await person.press('Show QR code'); // Wagtail makes a link of it, no form
  },

  async link(person) {
    await person.open('/admin/');
    await person.press('Sign in with your phone');
  },

  async signOut(person) {
    await person.open(ACCOUNT);
    const press = () => person.page.$eval('form[action$="/logout/"] button', (button) => button.click()); // in a fold that moves
    await Promise.all([person.page.waitForNavigation(), press()]);
  },

  async hasNoButton(person) {
    assert.doesNotMatch(await person.text(), /More actions/);
  },

  async isSignedInAs(person, name) {
    await person.open(ACCOUNT);
    assert.equal(await person.page.$eval('[name$=first_name]', (input) => input.value), name);
  },

  async isSignedOut(person) {
    await person.open(ACCOUNT);
    assert.match(person.page.url(), /\/admin\/login\//);
  },

  block: (project, name, run) =>
    run(`python manage.py shell -c 'from django.contrib.auth.models import User; User.objects.filter(username="${name}").update(is_active=False)'`, { cwd: project }),

  command: ['bash', ['-c', 'exec .venv/bin/gunicorn --workers 2 --bind "127.0.0.1:$PORT" --log-level warning notes.wsgi']],
};
