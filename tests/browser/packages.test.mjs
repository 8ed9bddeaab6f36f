// Builds every integration package, installs it into a fresh project, and follows the steps from `qrgate init` to a signed-in
// phone. Then runs the hook contract against that project.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { holdsTheContract } from '../conformance/contract.mjs';
import { launch } from './lib/browser.mjs';
import { follow } from './lib/package.mjs';
import django from './lib/packages/django.mjs';
import express from './lib/packages/express.mjs';
import * as flask from './lib/packages/flask.mjs';
import laravel from './lib/packages/laravel.mjs';
import * as php from './lib/packages/php.mjs';
import rails from './lib/packages/rails.mjs';
import wordpress from './lib/packages/wordpress.mjs';
import { Computer, Phone } from './lib/people.mjs';
import { claim } from './lib/story.mjs';

/**
 * A row for each package:
 *
 * - `stack`: what `qrgate init --stack` calls it; `name`; `cookie`, `features` and `users`: tests/conformance
 * - `build(folder, run)`: makes the package and returns its file; `run(commands, { cwd })` runs a shell
 * - `generate(folder, run, { application, servers })`: makes the project, with a sign-in form, as it is before the package. A
 *   project that always runs is started and added to `servers`; `alone(folder, { application, gate })` describes it
 * - `undo`: whether the page sets `login.revoke_path`, so that the computer signs the phone out
 * - `add(folder, boxes, { built, application, gate })`: puts the page's boxes of code into the project
 * - `install(commands, built)`: the commands of a box, with the package in place of what the page installs; a name after `install`
 *   needs none
 * - `signIn(computer)`: from the sign-in page to the page with the button; `expected`: complaints of the application's own pages
 * - `skip`: why it cannot run here
 * - `command`: starts the project, at the port `PORT`; `env`: for all commands, or a function of the folder that `build` gets;
 *   `bin`: a folder of the project for `PATH`
 */
const PACKAGES = [
  ...[django, express, flask.withCookies, flask.withFlaskSession],
  ...[php.byComposer, php.asOneFile, laravel, rails, wordpress],
];

for (const row of PACKAGES) {
  describe(`the package ${row.title ?? row.name}`, { skip: row.skip ?? false }, () => {
    let project, browser;
    before(async () => {
      project = await follow(row);
      browser = await launch();
    });
    after(async () => {
      await browser?.close();
      await project?.stop();
    });

    test('takes at most five lines, and what `qrgate init` prints ends in a signed-in phone', async (t) => {
      assert.ok(project.lines <= 5, `${project.lines} lines`);
      assert.match(project.checked, /^0 failures/m, project.checked);
      const began = performance.now();
      const [computer, phone] = [await Computer.arrive(browser, project.gate), await Phone.arrive(browser, project.gate)];
      await computer.open('/');
      await computer.press('Sign in');
      await computer.find('Sign in with your phone');
      await (row.signIn?.(computer) ?? computer.signIn('ana'));
      await computer.press('Sign in on your phone');
      const { number } = await claim(computer, phone, 'Example');
      await computer.typeNumber(number, { follow: false });
      await phone.isSignedInAs('ana');
      const minutes = (project.seconds + (performance.now() - began) / 1000) / 60;
      t.diagnostic(`${row.title ?? row.name}: ${project.lines} lines added; ${minutes.toFixed(1)} minutes from qrgate init to a signed-in phone`);
      if (row.undo) {
        await computer.press('Sign that device out', { follow: false });
        await computer.sees('That device is signed out');
        await phone.open('/');
      } else {
        await phone.press('Sign out');
      }
      await phone.reads('You are not signed in.');
      await computer.open('/');
      await computer.isSignedInAs('ana');
      for (const person of [computer, phone]) person.isContent(...(row.expected ?? []));
    });

    describe('in the fresh project', () => holdsTheContract(() => project.start(), row.features));
  });
}
