// A small proxy in front of qrgate that imitates networks and proxies: it loses a response, buffers a stream, or blocks all
// requests.

import http from 'node:http';
import { freePort } from './process.mjs';

/**
 * A proxy on a free port; `to(port)` sets its target, once that is known.
 *
 * - `loses(request)`: whether to lose the response, after qrgate has sent it. `request.body` is the content,
 *   `request.lost` whether one was lost before
 * - `holds(request)`: whether to buffer the response for ever, as some proxies do
 */
export async function startFront({ loses = () => false, holds = () => false } = {}) {
  const port = await freePort();
  const front = { port, lost: 0, held: 0, loses, holds, stop: null, to: null };
  let behind;
  const server = http.createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const content = Buffer.concat(pieces);
    const asked = { method: request.method, url: request.url, headers: request.headers, body: content.toString(), lost: front.lost };
    const onward = http.request({ host: '127.0.0.1', port: behind, path: request.url, method: request.method, headers: request.headers }, (reply) => {
      if (front.loses(asked)) {
        front.lost += 1;
        reply.resume().on('end', () => request.socket.destroy());
        return;
      }
      if (front.holds(asked)) {
        front.held += 1;
        return void reply.resume();
      }
      response.writeHead(reply.statusCode, reply.rawHeaders);
      reply.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(content);
  });
  front.to = async (gate) => {
    behind = gate;
    await new Promise((done) => server.listen(port, '127.0.0.1', done));
  };
  front.stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return front;
}
