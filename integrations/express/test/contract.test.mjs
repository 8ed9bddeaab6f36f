// The hook contract, with each kind of session, on both versions of Express.

import { describe } from 'node:test';
import { holdsTheContract } from '../../../tests/conformance/contract.mjs';
import { SESSIONS, start } from './applications.mjs';

const FEATURES = { rotating: true, version: 1, administrator: true, authTime: true, stay: true, revoke: true };

for (const [version, name] of Object.entries({ express: 'Express 5', express4: 'Express 4' })) {
  for (const [kind, { features }] of Object.entries(SESSIONS)) {
    describe(`${name} with ${kind}`, () => holdsTheContract(() => start({ kind, version }), { ...FEATURES, ...features }));
  }
}

describe('below a path of the application', () => holdsTheContract(() => start({ at: '/blog' }), FEATURES));
