import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { TORCHVISION_FOLDER } from './reference-outputs.ts';

/** The committed reference outputs are those of the torchvision that is installed for `PYTHON`. */
const python = process.env['PYTHON'] ?? 'python3';
const run = promisify(execFile);

const isInstalled = await run(python, ['-c', 'import torchvision']).then(
  () => true,
  () => false,
);

if (!isInstalled) test.skip(`skipped: ${python} has no torchvision; PYTHON names another interpreter`, () => {});

describe.skipIf(!isInstalled)('torchvision', async () => {
  const files = await readdir(TORCHVISION_FOLDER);
  test.each(files.map((file) => basename(file, '.json')))('%s has the committed outputs', async (architecture) => {
    const folder = await mkdtemp(join(tmpdir(), 'menagerie-torchvision-'));
    try {
      await run(python, ['scripts/golden/torchvision_outputs.py', architecture, '--out', folder]);
      const [committed, made] = await Promise.all(
        [TORCHVISION_FOLDER, folder].map((each) => readReference(join(each, `${architecture}.json`))),
      );
      expect(made?.facts).toEqual(committed?.facts);
      expect(made?.logits.length).toBe(committed?.logits.length);
      // Other processors and versions add up in another order.
      const largest = committed?.logits.reduce((most, value) => Math.max(most, Math.abs(value)), 0) ?? 0;
      for (const [index, value] of made?.logits.entries() ?? []) {
        expect(Math.abs(value - (committed?.logits[index] ?? Number.NaN))).toBeLessThan(1e-4 * largest);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

async function readReference(path: string) {
  const { source: _, logits_f32_base64, features_f32_base64: __, ...facts } = JSON.parse(await readFile(path, 'utf8'));
  const bytes = Uint8Array.from(Buffer.from(logits_f32_base64, 'base64'));
  return { facts, logits: new Float32Array(bytes.buffer) };
}
