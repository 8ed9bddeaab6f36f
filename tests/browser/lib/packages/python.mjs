// Shared by the rows of the Python packages: `python -m build`, and a venv of the project. pip reads the wheels that tests/setup.sh
// downloaded, and uses no registry.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../process.mjs';

export const python = (stack) => ({
  stack,
  name: `qrgate-${stack}`,
  install: (commands, built) => commands.replace(`/path/to/qrgate/integrations/${stack}`, () => built),
  env: { PIP_NO_INDEX: '1', PIP_FIND_LINKS: path.join(ROOT, 'target/wheels'), PIP_DISABLE_PIP_VERSION_CHECK: '1' },
  bin: '.venv/bin',

  /** Makes the wheel from the source distribution. */
  async build(folder, run) {
    const out = path.join(folder, 'dist');
    await run(`${ROOT}/target/build-venv/bin/python -m build --no-isolation --outdir ${out} integrations/${stack}`, { cwd: ROOT });
    return path.join(out, (await readdir(out)).find((file) => file.endsWith('.whl')));
  },
});

/** Makes the venv of a project, with what its requirements file names, apart from the package itself. */
export const install = (folder, run, requirements) =>
  run(`python3 -m venv .venv && grep -v '^-e' ${ROOT}/${requirements} > requirements.txt && pip install --quiet -r requirements.txt`, { cwd: folder });
