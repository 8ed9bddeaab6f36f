// Run by site.sh, for a machine that has booted and has nothing of qrgate yet.
// GUEST is the folder that the machine reads as /guest, LEADER its first process.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { LIFE, tellOfCertificates, withAcme } from '../browser/lib/certificate.mjs';
import { startPebble } from '../browser/lib/pebble.mjs';
import { ROOT } from '../browser/lib/process.mjs';

const { GUEST, LEADER } = process.env;

/** The application, as a service that ran before: the PHP example. */
const UNIT = `[Service]
User=www-data
StateDirectory=notes
Environment=QRGATE_USED_DIR=/var/lib/notes PHP_CLI_SERVER_WORKERS=4
WorkingDirectory=/srv/examples/php
ExecStart=php -S 127.0.0.1:8000 -t public
`;

/** Runs commands as root in the machine; gives the exit code, and what they print. */
async function attempt(commands) {
  const script = `exec 2>&1; cd /etc/qrgate 2> /dev/null || cd; ${commands}`;
  const words = ['env', '-i', 'HOME=/root', `PATH=${process.env.PATH}`, 'bash', '-euo', 'pipefail', '-c', script];
  const done = promisify(execFile)('nsenter', ['--all', `--target=${LEADER}`, ...words]);
  const { code = 0, stdout } = await done.catch((error) => error);
  return { code, stdout };
}

/** Runs commands that must succeed, and gives what they print. */
async function run(commands) {
  const { code, stdout } = await attempt(commands);
  assert.equal(code, 0, `${commands}\n${stdout}`);
  return stdout;
}

/** Puts a text into a file of the machine. */
async function put(text, file) {
  await writeFile(path.join(GUEST, 'put'), text);
  await run(`install -D --mode=644 /guest/put ${file}`);
}

/** The boxes of a section of a page. */
async function boxes(page, section, language) {
  const text = (await readFile(path.join(ROOT, page), 'utf8')).split(`\n## ${section}\n`)[1].split('\n## ')[0];
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, box]) => box);
}

/** Follows docs/install.md, and the pages to which its steps lead. */
async function startSite(stops) {
  const pebble = await startPebble({ https: 443, http: 80, dns: 53, life: LIFE });
  stops.push(pebble.remove);
  await copyFile(pebble.ca, path.join(GUEST, 'ca.pem'));
  await put(UNIT, '/etc/systemd/system/notes.service');

  const [install, start] = await boxes('docs/install.md', 'Debian package', 'sh');
  assert.match(install, /^apt install \S+ .*\ncd \/etc\/qrgate\nqrgate init .*--stack django /);
  await run(install.replace(/\S+\.deb/, '/guest/qrgate.deb').replace('--stack django', '--stack php'));
  const [variables] = await boxes('docs/recipes/README.md', 'The secret in production', 'ini');
  await put(variables, '/etc/systemd/system/notes.service.d/override.conf');
  await run('systemctl daemon-reload; systemctl restart notes');
  const authority = { directory: pebble.directory, ca: '/guest/ca.pem' };
  await put(await withAcme(await run('cat proxy.toml'), { authority }), '/etc/qrgate/proxy.toml');

  const [check, enable, status] = start.trim().split('\n');
  const checked = await run(check.replace('--user ID', '--user 1'));
  assert.match(checked, /^ok    verify        the new session is user 1 \(ana\)$/m, checked);
  await run(enable);
  const { stdout } = await attempt(status);
  assert.match(stdout, /^ok    application   http:\/\/127\.0\.0\.1:8000 accepts connections$/m, stdout);
  const log = () => run('journalctl --unit qrgate --output cat');
  return { pebble, origin: 'https://app.example.com', form: '/login.php', log };
}

tellOfCertificates('a site on an empty Debian', {
  start: startSite,
  more: () => {
    test('has a certificate that `check` and `status` describe', async () => {
      const [check, status] = [await attempt('qrgate check'), await attempt('qrgate status')];
      assert.match(check.stdout, /^ok    certificate   \/var\/lib\/qrgate\/acme\/\S+\/certificate\.pem is valid for \d+ s$/m);
      assert.match(check.stdout, /^ok    certificate   app\.example\.com leads here \(127\.0\.0\.1\)$/m);
      assert.match(status.stdout, /^warn  certificate   valid for \d+ s$/m, 'less than two days are a warning');
      assert.deepEqual([check.code, status.code], [0, 1]);
    });
  },
});
