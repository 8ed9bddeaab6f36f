// A site that orders its own certificate, starting with `qrgate init` and the lines of docs/operations.md, with the built program.
// tests/deploy/site.sh does the same starting with an empty Debian.

import { execFileSync } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LIFE, tellOfCertificates, withAcme } from './lib/certificate.mjs';
import { startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { startPebble } from './lib/pebble.mjs';
import { connects, start, temporaryFolder } from './lib/process.mjs';

/** Runs `init`, adds the lines where the file has their section, and starts qrgate. */
async function startSite(stops) {
  const { folder, remove } = await temporaryFolder();
  stops.push(remove);
  const app = await startExample('django');
  stops.push(app.stop);
  const pebble = await startPebble({ https: app.gatePort, life: LIFE });
  stops.push(pebble.remove);

  const origin = `https://notes.example.com:${pebble.https}`;
  await copyFile(app.secretFile, path.join(folder, 'hook.secret')); // `init` keeps it
  const words = ['--application', app.url, '--stack', 'django', '--site', 'Notes', '--public-url', origin];
  execFileSync(BINARY, ['init', ...words], { cwd: folder });
  const file = path.join(folder, 'proxy.toml');
  const config = await withAcme(await readFile(file, 'utf8'), {
    edit: (lines) => lines.replace('[::]:443', `127.0.0.1:${pebble.https}`).replace('[::]:80', `127.0.0.1:${pebble.http}`),
    authority: { folder: path.join(folder, 'acme'), directory: pebble.directory, ca: pebble.ca },
  });
  await writeFile(file, config);
  const options = { cwd: folder, env: { QRGATE_LISTEN__ADMIN: 'off' }, ready: () => connects(pebble.https), within: 20_000 };
  const running = await start(BINARY, [], options);
  stops.push(running.stop);
  return { pebble, origin, form: app.form, log: running.output };
}

tellOfCertificates('a site with a certificate by ACME', { start: startSite });
