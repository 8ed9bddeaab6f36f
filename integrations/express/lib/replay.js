'use strict';

const cluster = require('node:cluster');

/** Remembers accepted calls in this process. Several processes need a store that they share. */
function memoryReplay() {
  const until = new Map();
  return {
    async add(key, seconds) {
      const now = Date.now();
      for (const [old, end] of until) if (end <= now) until.delete(old); else break; // in the order in which they end
      if (until.has(key)) return false;
      until.set(key, now + seconds * 1000);
      return true;
    },
  };
}

/** Remembers accepted calls in Redis. `client` is one of the package `redis` (4 or later) or of `ioredis`. */
function redisReplay(client, { prefix = 'qrgate:used:' } = {}) {
  const isIoredis = typeof client.defineCommand === 'function';
  return {
    async add(key, seconds) {
      const name = prefix + key;
      const answer = isIoredis
        ? await client.set(name, '1', 'EX', seconds, 'NX')
        : await client.set(name, '1', { EX: seconds, NX: true });
      return answer === 'OK';
    },
  };
}

/** Memory, where this is the only process. Throws where others may accept the same call. */
function defaultReplay() {
  if (!hasSiblings()) return memoryReplay();
  throw new Error(
    'qrgate: this is one of several processes (cluster or PM2), and a signed call must work once among all of them. '
    + 'Pass a store that they share, as in replay: redisReplay(client); with one process only, replay: memoryReplay()',
  );
}

/** Whether this process is a worker of node:cluster, or one of several that PM2 started. */
function hasSiblings(env = process.env) {
  return cluster.isWorker || Number(env.NODE_APP_INSTANCE) > 0;
}

module.exports = { defaultReplay, hasSiblings, memoryReplay, redisReplay };
