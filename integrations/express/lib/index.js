'use strict';

const hooks = require('./hooks.js');
const { markup } = require('./html.js');
const { finished } = require('./options.js');
const { memoryReplay, redisReplay } = require('./replay.js');

/**
 * Express middleware with the hooks that qrgate calls: `GET PATH/whoami`, `POST PATH/login` and `POST PATH/revoke`.
 * Mount it after the session (and Passport), and before body parsers, CSRF protection and rate limits.
 * Throws if the secret or the origins are missing or malformed.
 */
function qrgate(given = {}) {
  const options = finished(given);
  const helpers = markup(options.ticketPath);
  const routes = new Map([
    [`${options.path}/whoami`, { methods: ['GET', 'HEAD'], handle: hooks.whoami }],
    [`${options.path}/login`, { methods: ['POST'], handle: hooks.login }],
    [`${options.path}/revoke`, { methods: ['POST'], handle: hooks.revoke }],
  ]);
  return function qrgateHooks(req, res, next) {
    res.locals.qrgate = helpers;
    const route = routes.get(req.path);
    if (!route) return next();
    if (!route.methods.includes(req.method)) return res.set('Allow', route.methods.join(', ')).sendStatus(405);
    res.set('Cache-Control', 'no-store');
    route.handle(options, req, res).catch(next); // Express 4 does not catch what an async handler throws
  };
}

module.exports = qrgate;
module.exports.memoryReplay = memoryReplay;
module.exports.redisReplay = redisReplay;
