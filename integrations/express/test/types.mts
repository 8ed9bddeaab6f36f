// Compiled, never run: how an ES module in TypeScript uses the package.

import express from 'express';
import qrgate, { memoryReplay, redisReplay, type Helpers, type Options } from 'qrgate-express';

interface User { id: number; name: string; active: boolean }
const users: User[] = [];
const load = (id: string) => users.find((user) => String(user.id) === id);
const app = express();

app.use(qrgate({ secret: 'whsec_', load, login: (req, user, done) => done() }));
app.use(qrgate({ load, login: async (req, user: User) => {}, allow: (user) => user.active, replay: memoryReplay() }));
app.use(qrgate());
const options: Options<User> = { load, replay: redisReplay({}, { prefix: 'site:' }), origins: ['https://app.example.com'] };
app.get('/', (req, res) => { res.send((res.locals.qrgate as Helpers).button({ label: options.path })); });

// @ts-expect-error: an option that is not there
qrgate({ sercet: 'whsec_' });
// @ts-expect-error: a store without add
qrgate({ replay: {} });
