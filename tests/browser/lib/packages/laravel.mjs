// qrgate/laravel: the archive that composer makes, in a small application on Debian's Laravel, without a registry.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../process.mjs';

const FOLDER = path.join(ROOT, 'integrations/laravel');

export default {
  stack: 'laravel',
  name: 'qrgate/laravel',
  skip: !existsSync('/usr/share/php/Illuminate') && 'needs php-laravel-framework',
  cookie: 'laravel_session',
  features: { rotating: true, version: 1, authTime: true, stay: true, revoke: true },
  env: {
    PHP_CLI_SERVER_WORKERS: '4', // several processes, to race for one call
    COMPOSER_HOME: path.join(ROOT, 'target/composer'),
    COMPOSER_ALLOW_SUPERUSER: '1',
  },

  async build(folder, run) {
    this.built = path.join(folder, 'package');
    await mkdir(this.built);
    await run(`composer archive --quiet --format=tar --dir=${folder} --file=package && tar -xf ${this.built}.tar -C ${this.built}`, { cwd: FOLDER });
    return this.built;
  },

  async generate(project, run) {
    await run(`${FOLDER}/tests/install.sh . ${this.built}`, { cwd: project });
    await run('composer install --quiet && mkdir storage && php setup.php', { cwd: project });
  },

  install: (commands) => commands,

  /** Puts the gate into the service provider, and the two components at the application's marks. */
  async add(project, boxes) {
    const [gate, components] = boxes.map(({ text }) => text);
    const [button, link] = components.trim().split('\n');
    const places = {
      'app/Providers/AppServiceProvider.php': ['// here', gate],
      'resources/views/home.blade.php': ['<!-- signed in -->', button],
      'resources/views/login.blade.php': ['<!-- sign-in page -->', link],
    };
    for (const [name, [place, added]] of Object.entries(places)) {
      const file = path.join(project, name);
      await writeFile(file, (await readFile(file, 'utf8')).replace(place, () => added));
    }
  },

  command: ['bash', ['-c', 'exec php -q -S 127.0.0.1:$PORT -t public public/index.php']],
};
