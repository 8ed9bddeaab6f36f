// Reads a code from a picture with two independent decoders: zbar, and ZXing's C++ port.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader';
import { temporaryFolder } from './process.mjs';

const run = promisify(execFile);
const wasmBinary = (await readFile(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm'))).buffer;
prepareZXingModule({ overrides: { wasmBinary } });

/** What zbar reads in a PNG; empty if it finds no code. */
export async function zbar(png) {
  const { folder, remove } = await temporaryFolder();
  try {
    const file = path.join(folder, 'picture.png');
    await writeFile(file, png);
    return (await run('zbarimg', ['--quiet', '--raw', '-Sdisable', '-Sqrcode.enable', file])).stdout.trim();
  } catch (error) {
    if (error.code === 4) return ''; // zbarimg: no code in the picture
    throw error;
  } finally {
    await remove();
  }
}

/** What ZXing reads in a PNG, black on white only; empty if it finds no code. */
export async function zxing(png) {
  const found = await readBarcodes(new Uint8Array(png), { formats: ['QRCode'], tryInvert: false, tryHarder: true });
  return found.filter(({ isValid }) => isValid).map(({ text }) => text).join('\n');
}
