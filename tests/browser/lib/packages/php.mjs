// qrgate/php: the archive that composer makes, and a project with composer; or the one file. The application is the PHP example
// without its qrgate parts. It needs no registry.

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EXAMPLES } from '../example.mjs';
import { ROOT } from '../process.mjs';

const FOLDER = path.join(ROOT, 'integrations/php');
const PARTS = /<!-- qrgate: begin[\s\S]*?qrgate: end -->/;

const { whoami, login, revoke, cookie, features } = EXAMPLES.php;
const row = {
  stack: 'php',
  name: 'qrgate/php',
  cookie,
  paths: { whoami, login, revoke },
  features: { rotating: true, ...features },
  env: {
    PHP_CLI_SERVER_WORKERS: '4', // several processes, to race for one call
    COMPOSER_HOME: path.join(ROOT, 'target/composer'),
    COMPOSER_ALLOW_SUPERUSER: '1',
  },

  async generate(folder) {
    const isOurs = (file) => /\/(data|hook\.secret|proxy\.toml|_qr\.php|qrgate\.php)$/.test(file);
    await cp(path.join(ROOT, 'examples/php'), folder, { recursive: true, filter: (file) => !isOurs(file) });
  },

  /** The hooks as a new file; the button and the link where the example has its own. */
  async add(folder, boxes) {
    const [hooks, helpers] = boxes.map(({ text }) => text);
    const [button, link] = helpers.trim().split('\n');
    await writeFile(path.join(folder, 'public/_qr.php'), hooks);
    for (const [page, added] of [['public/index.php', button], ['public/login.php', link]]) {
      const file = path.join(folder, page);
      await writeFile(file, (await readFile(file, 'utf8')).replace(PARTS, () => added));
    }
  },

  command: ['bash', ['-c', 'exec php -q -S 127.0.0.1:$PORT -t public']],
};

export const byComposer = {
  ...row,
  title: 'qrgate/php by composer',

  async build(folder, run) {
    await mkdir(path.join(folder, 'package'));
    await run(`composer archive --quiet --format=tar --dir=${folder} --file=package && tar -xf ${folder}/package.tar -C ${folder}/package`, { cwd: FOLDER });
    return path.join(folder, 'package');
  },

  async generate(folder) {
    await row.generate(folder);
    const package_ = { type: 'path', url: '../package', options: { symlink: false } };
    await writeFile(path.join(folder, 'composer.json'), JSON.stringify({ name: 'example/notes', repositories: [{ 'packagist.org': false }, package_] }));
  },

  install: (commands) => commands.replace('composer require qrgate/php', 'composer require --quiet qrgate/php:@dev'),
};

export const asOneFile = {
  ...row,
  title: 'qrgate/php as one file',
  build: async () => path.join(FOLDER, 'qrgate.php'),
  install: (commands, built) => commands.replace('composer require qrgate/php', `cp ${built} .`),

  async add(folder, boxes) {
    await row.add(folder, boxes.map((box) => ({ ...box, text: box.text.replace('vendor/autoload.php', 'qrgate.php') })));
  },
};
