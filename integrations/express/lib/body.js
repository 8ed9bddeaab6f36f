'use strict';

/** Bytes. A call of qrgate has less than 4 KiB. */
const LONGEST = 65_536;

/** The content of a request as it was sent. Throws if a body parser has taken it, or if it is too long. */
async function rawBody(req) {
  for (const kept of [req.rawBody, req.body]) if (Buffer.isBuffer(kept)) return kept;
  if (req.readableDidRead || req._body) {
    throw new Error('qrgate: a body parser has read the signed content. Mount qrgate() before express.json()');
  }
  const pieces = [];
  let length = 0;
  for await (const piece of req) {
    length += piece.length;
    if (length > LONGEST) throw Object.assign(new Error('qrgate: the content is too long'), { status: 413 });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

module.exports = { rawBody };
