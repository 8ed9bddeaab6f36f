// Servers that a test starts, each on a free port, and each ended with all its processes.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

// Below net.ipv4.ip_local_port_range: the system gives none of these to a connection or to a listener at port 0.
const PORTS = { first: 11_000, count: 21_000 };
let next = process.pid * 7919; // other processes start at other ports

/** A port of 127.0.0.1 where no server listens. It is returned once in a process, so that a stopped server finds it again. */
export async function freePort() {
  const port = PORTS.first + (next++ % PORTS.count);
  const server = createServer();
  const isFree = await new Promise((done) => {
    server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true));
  });
  if (!isFree) return freePort();
  await new Promise((done) => server.close(done));
  return port;
}

/** A temporary folder, and how to remove it. */
export async function temporaryFolder() {
  const folder = await mkdtemp(path.join(tmpdir(), 'qrgate-test-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * Starts a command in its own process group and waits until `ready()` is true.
 * Gives `stop()`, which ends the whole group, and `output()`, all that it printed so far.
 */
export async function start(command, args, { env = {}, cwd = ROOT, ready, within = 180_000 }) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = [];
  child.stdout.on('data', (text) => printed.push(text));
  child.stderr.on('data', (text) => printed.push(text));
  const output = () => Buffer.concat(printed).toString();
  let ended = null;
  const exit = new Promise((done) => {
    child.on('error', (error) => { ended = String(error); done(); });
    child.on('exit', (code, signal) => { ended = `exit ${code ?? signal}`; done(); });
  });
  const signal = (name) => {
    try { process.kill(-child.pid, name); } catch { /* the group is gone */ }
  };
  const stop = async () => {
    if (child.pid === undefined) return;
    signal('SIGTERM');
    await Promise.race([exit, sleep(5_000, null, { ref: false })]);
    signal('SIGKILL');
    await exit;
  };
  const end = Date.now() + within;
  while (!(await ready())) {
    if (ended !== null || Date.now() > end) {
      await stop();
      throw new Error(`${command} did not start (${ended ?? 'too slow'}):\n${output()}`);
    }
    await sleep(100);
  }
  return { stop, output, signal };
}

/** Whether `condition()` becomes true within a time, in milliseconds. */
export async function eventually(condition, within = 10_000) {
  for (const end = Date.now() + within; Date.now() < end;) {
    if (await condition()) return true;
    await sleep(50);
  }
  return false;
}

/** Whether a port of 127.0.0.1 accepts connections. */
export function connects(port) {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => { socket.destroy(); done(true); });
    socket.on('error', () => done(false));
  });
}

/** Whether an address responds at all. */
export async function responds(url) {
  try {
    await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    return false;
  }
}
