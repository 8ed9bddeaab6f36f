// Installs every packaged application with a drop-in and follows only what `qrgate init --app` prints. Tests both directions,
// sign-out, undo, a blocked account and an administrator in a browser; then runs the hook contract.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { holdsTheContract } from '../conformance/contract.mjs';
import calibreWeb from './lib/applications/calibre-web.mjs';
import dokuwiki from './lib/applications/dokuwiki.mjs';
import jupyterhub from './lib/applications/jupyterhub.mjs';
import mediawiki from './lib/applications/mediawiki.mjs';
import redmine from './lib/applications/redmine.mjs';
import wagtail from './lib/applications/wagtail.mjs';
import { launch } from './lib/browser.mjs';
import { follow } from './lib/package.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { claim } from './lib/story.mjs';

/**
 * A row for each application. As in packages.test.mjs: `title`, `cookie`, `paths`, `users`, `features`, `env`, `bin`, `build`,
 * `generate`, `add`, `install`, `command` or `alone`, `undo`, `expected`, `skip`. The users are ana, bob and dora (ordinary), cleo
 * (inactive) and admin, each with a password that `signIn` knows. Moreover:
 *
 * - `app`: what `qrgate init --app` calls it; `tickets`: its page's `tickets.path`, unless it is /qr/
 * - `ready(url)`: whether it accepts requests, if any response does not mean that
 * - `signIn(person, name)`: from the sign-in page to the page with the button
 * - `press(person)`: from the page with the button to that with the code; `hasNoButton(person)`: for an administrator
 * - `link(person)`: opens the application's sign-in page, and presses its link "Sign in with your phone"
 * - `signOut(person)`: by the application's own button, from any page
 * - `isSignedInAs(person, name)`, `isSignedOut(person)`: according to the application's own pages, from any page
 * - `block(project, name, run)`: an administrator blocks an account while the application runs
 */
const APPLICATIONS = [calibreWeb, dokuwiki, jupyterhub, mediawiki, redmine, wagtail];

/** `APPLICATION=wagtail node --test applications.test.mjs` runs one row. */
const isChosen = ({ app }) => [undefined, app].includes(process.env.APPLICATION);

const SIGN_OUT_DEVICE = 'Sign that device out';

for (const row of APPLICATIONS.filter(isChosen)) {
  describe(row.title, { skip: row.skip ?? false }, () => {
    let project, browser;
    const people = [];
    before(async () => {
      project = await follow(row);
      browser = await launch();
    });
    after(async () => {
      await browser?.close();
      await project?.stop();
    });
    afterEach(async () => {
      for (const person of people.splice(0)) {
        person.isContent(/status of 4\d\d/, ...(row.expected ?? []));
        await person.leave();
      }
    });

    const arrive = async (kind) => {
      people.push(await kind.arrive(browser, project.gate));
      return people.at(-1);
    };

    /** Waits until the browser has the cookies, because another navigation would cancel the response that sets them. */
    const lands = (person) => person.until(() => !person.page.url().includes('/qr/'), () => 'wanted to land in the application');

    /** A computer that shows a code. */
    const showCode = async (name) => {
      const computer = await arrive(Computer);
      await row.signIn(computer, name);
      await row.press(computer);
      return computer;
    };

    /** A computer, and the phone that it signed in. */
    const scan = async (name) => {
      const [computer, phone] = [await showCode(name), await arrive(Phone)];
      const { number } = await claim(computer, phone, 'Example');
      await computer.typeNumber(number, { follow: false });
      await computer.sees('Your phone is signed in');
      await lands(phone);
      await row.isSignedInAs(phone, name);
      return { computer, phone };
    };

    test('takes at most five lines, and what `qrgate init` prints ends in a signed-in phone', async (t) => {
      assert.ok(project.lines <= 5, `${project.lines} lines`);
      assert.match(project.checked, /^0 failures/m, project.checked);
      const began = performance.now();
      await scan('ana');
      const minutes = (project.seconds + (performance.now() - began) / 1000) / 60;
      t.diagnostic(`${row.title}: ${project.lines} lines added; ${minutes.toFixed(1)} minutes from qrgate init to a signed-in phone`);
    });

    test('signs a computer in by the code that a phone shows, typed from the link on the sign-in page', async () => {
      const { phone } = await scan('ana');
      await phone.open(row.tickets ?? '/qr/');
      await phone.press('Show the code');
      const letters = await phone.page.$eval('p.typed', (shown) => shown.innerText.trim());
      const visitor = await arrive(Computer);
      await row.link(visitor);
      await visitor.page.type('#code', letters);
      await visitor.press('Continue');
      await visitor.sees('Sign in to Example?');
      await visitor.press('Continue');
      await visitor.reads('on your phone');
      const number = await visitor.page.$eval('.number', (shown) => shown.innerText.trim());
      await phone.page.type('#number', number);
      await phone.page.$eval('#approve .main', (button) => button.click());
      await phone.sees('Your computer is signed in');
      await lands(visitor);
      await row.isSignedInAs(visitor, 'ana');
    });

    test('signing out on the computer leaves the phone signed in', async () => {
      const { computer, phone } = await scan('ana');
      await row.signOut(computer);
      await row.isSignedOut(computer);
      await row.isSignedInAs(phone, 'ana');
    });

    test('the computer can sign the phone out again', { skip: row.undo ? false : 'no revoke hook' }, async () => {
      const { computer, phone } = await scan('ana');
      await computer.press(SIGN_OUT_DEVICE, { follow: false });
      await computer.sees('That device is signed out');
      await row.isSignedOut(phone);
      await row.isSignedInAs(computer, 'ana');
    });

    test('an administrator gets no code, and the page says why', async () => {
      const computer = await arrive(Computer);
      await row.signIn(computer, 'admin');
      await row.hasNoButton?.(computer);
      await computer.open(row.tickets ?? '/qr/');
      await computer.sees("Phone sign-in isn't available for this account");
    });

    test('an account that is blocked after the code was shown gets no session', async () => {
      const [computer, phone] = [await showCode('dora'), await arrive(Phone)];
      const { number } = await claim(computer, phone, 'Example');
      await project.block('dora');
      await computer.typeNumber(number, { follow: false });
      await phone.sees("You're not signed in");
      await row.isSignedOut(phone);
    });

    describe('in front of it', () => holdsTheContract(() => project.start(), row.features));
  });
}
