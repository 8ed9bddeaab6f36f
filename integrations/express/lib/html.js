'use strict';

/** The helpers of `res.locals.qrgate`: HTML as strings, with everything that they are given escaped. */
function markup(ticketPath) {
  return Object.freeze({
    /** A button to the page with the code. qrgate handles the form, so it needs no CSRF token. */
    button({ label = 'Sign in on your phone', className } = {}) {
      const inside = `<button${classOf(className)}>${escaped(label)}</button>`;
      return `<form method="post" action="${escaped(ticketPath)}">${inside}</form>`;
    },
    /**
     * A link to the page for typing a code, which a device that is signed in shows. `next`: where this device lands.
     */
    signinLink({ label = 'Sign in with your phone', next = '/', className } = {}) {
      const address = `${ticketPath}code/?next=${encodeURIComponent(local(next))}`;
      return `<a${classOf(className)} href="${escaped(address)}">${escaped(label)}</a>`;
    },
  });
}

const classOf = (name) => (name ? ` class="${escaped(name)}"` : '');

/** Only paths of this site: `//elsewhere` and `/\elsewhere` lead to another. */
const local = (path) => (/^\/(?![/\\])[^\x00-\x20\x7f]*$/.test(path) ? path : '/');

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

module.exports = { markup };
