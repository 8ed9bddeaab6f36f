// An operator's own pages: a separate layout, and the minimum that each page needs. The journey must not
// notice.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startApplication } from './lib/application.mjs';
import { temporaryFolder } from './lib/process.mjs';
import { claim, inFrontOf } from './lib/story.mjs';

const FILES = {
  'base.html': '<!doctype html><html lang="{{ lang }}"><link rel="icon" href="data:,"><title>{{ site }}</title>{% block content %}{% endblock %}',
  'page.html': '{% extends "base.html" %}{% block content %}{{ qr }}{{ form }}{{ script }}{% endblock %}',
  'waiting.html': '{% extends "base.html" %}{% block content %}<h1>{{ t("waiting.title") }}</h1>{{ number }}{{ message }}{{ form }}{{ script }}{% endblock %}',
};

const settings = { pages: {} };
let app, folder;
before(async () => {
  folder = await temporaryFolder();
  settings.pages.templates = path.join(folder.folder, 'ours');
  await mkdir(settings.pages.templates);
  await Promise.all(Object.entries(FILES).map(([name, text]) => writeFile(path.join(settings.pages.templates, name), text)));
  app = await startApplication();
});
after(async () => { await app?.stop(); await folder?.remove(); });

inFrontOf('with the least of templates', { app: () => app, gate: { sections: settings } }, ({ computer: atComputer, phone: withPhone }) => {
  test('the phone waits on one page and goes on by itself, and the computer says so', async () => {
    const computer = await atComputer();
    await computer.open('/');
    await computer.press('Sign in on your phone');
    const phone = await withPhone();
    const { number } = await claim(computer, phone);
    const asked = [];
    phone.page.on('request', (request) => asked.push(request.isNavigationRequest() ? 'a page' : request.method()));
    await computer.sees('Is this your phone?');
    await phone.until(async () => asked.length > 2, () => 'it does not look');
    assert.deepEqual([...new Set(asked)], ['GET'], 'it looks, and neither presses anything nor loads again');
    await computer.typeNumber(number, { follow: false });
    await phone.isSignedInAs('ana');
    await computer.sees('Your phone is signed in');
    for (const person of [computer, phone]) person.isContent();
  });
});
