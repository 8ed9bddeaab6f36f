// The receiver of docs/events.md, taken from the page, gets events from the program.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { BINARY } from './lib/gate.mjs';
import { freePort, ROOT, start, temporaryFolder } from './lib/process.mjs';

const SECRET = 'whsec_ZXZlbnRzLWV2ZW50cy1ldmVudHMtZXZlbnRzLTAxMjM=';

describe('the receiver of docs/events.md', () => {
  let receiver;
  let space;
  let port;

  before(async () => {
    space = await temporaryFolder();
    port = await freePort();
    const page = await readFile(path.join(ROOT, 'docs/events.md'), 'utf8');
    const file = path.join(space.folder, 'receiver.py');
    await writeFile(file, page.split('```python\n')[1].split('```')[0]);
    receiver = await start(path.join(ROOT, 'target/events-venv/bin/python'), [file], {
      env: { QRGATE_EVENTS_SECRET: `${SECRET}\n`, PORT: String(port) },
      ready: () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false),
    });
  });
  after(async () => {
    await receiver?.stop();
    await space?.remove();
  });

  test('accepts a signed event and refuses a wrong signature', async () => {
    const file = path.join(space.folder, 'proxy.toml');
    await writeFile(file, `[application]\nurl = "http://127.0.0.1:9"\n[events]\nurl = "http://127.0.0.1:${port}/events"\nsecret = "${SECRET}"\n`);
    // Exit code 1: the application is not there.
    const { stdout } = await promisify(execFile)(BINARY, ['check', '--config', file]).catch((error) => error);
    assert.match(stdout, /^ok +events +\S+ refused a test event with a wrong signature \(401\)$/m);
    assert.match(stdout, /^ok +events +\S+ accepted a signed test event \(type qrgate\.test\)$/m);
  });
});
