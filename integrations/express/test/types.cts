// Compiled, never run: how a CommonJS module in TypeScript uses the package.

import qrgate = require('qrgate-express');

const options: qrgate.Options<{ id: string }> = { load: async (id) => ({ id }), replay: qrgate.memoryReplay() };
qrgate(options);
