// An integration package or a drop-in, built as its ecosystem builds, in a fresh project, by nothing but what `qrgate init` prints.

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { newSecret } from '../../conformance/calls.mjs';
import { BINARY } from './gate.mjs';
import { responds, freePort, start, temporaryFolder } from './process.mjs';

/** The fenced boxes of a page in Markdown: their language, what else is said about them (`sh server`), and the text. */
export function boxes(page) {
  return [...page.matchAll(/^```(\w+)(?: (\w+))?\n(.*?)^```$/gms)].map(([, language, kind, text]) => ({ language, kind, text }));
}

/**
 * A fresh project of a row of packages.test.mjs or applications.test.mjs. It is built, generated, and given what `qrgate init` prints, whose
 * commands run in order; those of servers go on until `stop()`.
 *
 * Gives `gate`, the origin of qrgate in front of it; `lines`, how many lines were added to the application; `checked`, what
 * `qrgate check` printed; `seconds`, how long it took from `qrgate init` on; `block(name)`, by which an
 * administrator blocks an account; and `start()`, which starts the application alone
 * for tests/conformance/contract.mjs.
 */
export async function follow(row) {
  const { folder, remove } = await temporaryFolder();
  const project = path.join(folder, 'notes');
  const servers = [];
  const stop = async () => {
    for (const server of servers.splice(0).reverse()) await server.stop();
    await remove();
  };
  try {
    return { ...await followed(row, { folder, project, servers }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function followed(row, { folder, project, servers }) {
  const own = typeof row.env === 'function' ? row.env(folder) : row.env;
  const [application, gate] = [await freePort(), await freePort()];
  const env = {
    ...process.env,
    PATH: [...(row.bin ? [path.join(project, row.bin)] : []), path.dirname(BINARY), process.env.PATH].join(':'),
    QRGATE_LISTEN__ADMIN: 'off',
    QRGATE_LISTEN__ADDRESS: `127.0.0.1:${gate}`, // in place of 8080, which the page leaves to the default
    ...own,
  };
  const run = (commands, { cwd }) => promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { cwd, env });
  await mkdir(project);
  const built = await row.build(folder, run);
  await row.generate(project, run, { application, servers });

  const began = performance.now();
  const init = await run(`qrgate init --application http://127.0.0.1:${application} ${row.app ? `--app ${row.app}` : `--stack ${row.stack}`}`, { cwd: project });
  const page = init.stdout.replaceAll(/\b8080\b/g, gate).replaceAll(/\b8000\b/g, application);
  const all = boxes(page);
  const code = all.filter(({ language }) => language !== 'sh');
  await row.add(project, code, { built, application, gate: `http://localhost:${gate}` });
  let checked;
  for (const { kind, text } of all.filter(({ language }) => language === 'sh')) {
    const commands = (row.install ?? installed(row.name))(text, built); // it is not published
    if (kind === 'server') {
      const port = servers.length === 0 ? application : gate;
      servers.push(await start('bash', ['-c', commands], { cwd: project, env, ready: () => (row.ready ?? responds)(`http://127.0.0.1:${port}/`) }));
    } else {
      const { stdout } = await run(commands, { cwd: project });
      if (commands.startsWith('qrgate check')) checked = stdout;
    }
  }
  return {
    gate: `http://localhost:${gate}`,
    lines: code.flatMap(({ text }) => text.trim().split('\n')).filter((line) => line.trim() !== '').length,
    checked,
    block: (name) => row.block(project, name, run),
    output: () => servers.map((server) => server.output()).join('\n'),
    seconds: (performance.now() - began) / 1000,
    start: () => (row.alone ? row.alone(project, { application, gate: `http://localhost:${gate}` }) : alone({ ...row, env: own }, project)),
  };
}

const installed = (name) => (commands, built) => commands.replace(new RegExp(`(install .*)\\b${name}$`, 'm'), `$1${built}`);

/** The application with two secrets, as during a rotation, at another port. */
async function alone({ command: [program, words], cookie, env, paths, users, ready = responds }, project) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const [oldSecret, secret] = [newSecret(), newSecret()];
  const origins = ['http://localhost:8080', 'https://notes.example.com'];
  const running = await start(program, words, {
    cwd: project,
    env: { ...env, PORT: String(port), QRGATE_HOOK_SECRET: `${oldSecret} ${secret}`, QRGATE_ORIGINS: origins.join(' ') },
    ready: () => ready(url),
  });
  const hooks = { whoami: '/_qr/whoami', login: '/_qr/login', revoke: '/_qr/revoke', ...paths };
  return { url, ...hooks, cookie, origins, secret, oldSecret, users, output: running.output, stop: running.stop };
}
