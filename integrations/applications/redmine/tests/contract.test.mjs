// The hook contract in front of the Redmine that test.sh makes, on four processes of Puma, at the root and in a folder. They
// have one thread each: while a thread waits for SQLite, the others of its process cannot end what it waits for.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { describe } from 'node:test';
import { newSecret } from '../../../../tests/conformance/calls.mjs';
import { holdsTheContract } from '../../../../tests/conformance/contract.mjs';
import { responds, freePort, start as startServer } from '../../../../tests/browser/lib/process.mjs';

const { REDMINE } = process.env;
const FEATURES = { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true };

/** The ids of people, by their names. */
function ids() {
  const rows = execFileSync('sqlite3', [path.join(REDMINE, 'production.sqlite3'), "select login, id from users where login <> ''"], { encoding: 'utf8' });
  return Object.fromEntries(rows.trim().split('\n').map((row) => row.split('|')));
}

async function start(folder) {
  const [secret, oldSecret, port] = [newSecret(), newSecret(), await freePort()];
  const origins = ['http://localhost:8080', 'https://redmine.example.com'];
  const rackup = readFileSync(path.join(REDMINE, 'config.ru'), 'utf8').replace(/^run (.*)$/m, `map("${folder || '/'}") { run $1 }`);
  writeFileSync(path.join(REDMINE, 'test.ru'), rackup);
  const running = await startServer('puma', ['--quiet', '--preload', '--workers', '4', '--threads', '1:1', '--bind', `tcp://127.0.0.1:${port}`, 'test.ru'], {
    cwd: REDMINE,
    env: {
      ...process.env, RAILS_ENV: 'production', ...(folder && { RAILS_RELATIVE_URL_ROOT: folder }),
      QRGATE_HOOK_SECRET: `${oldSecret} ${secret}`, QRGATE_ORIGINS: origins.join(' '),
    },
    ready: () => responds(`http://127.0.0.1:${port}${folder}/login`),
  });
  const { ana, bob, cleo, admin } = ids();
  const [whoami, login, revoke] = ['whoami', 'login', 'revoke'].map((hook) => `${folder}/_qr/${hook}`);
  return {
    url: `http://127.0.0.1:${port}`, whoami, login, revoke, cookie: 'Redmine', origins, secret, oldSecret, stop: running.stop,
    users: { active: ana, other: bob, inactive: cleo, unknown: '999', administrator: admin },
  };
}

for (const [place, folder] of [['at the root', ''], ['in a folder', '/redmine']]) {
  describe(`a Redmine ${place}`, () => holdsTheContract(() => start(folder), FEATURES));
}
