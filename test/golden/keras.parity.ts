import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { expectKerasOutputs, MODEL_FILES } from './keras-models.ts';

/** Networks of Keras on random weights, imported and compared with the Keras that is installed for `PYTHON`. */
const python = process.env['PYTHON'] ?? 'python3';
const run = promisify(execFile);

const isInstalled = await run(python, ['-c', 'import keras']).then(
  () => true,
  () => false,
);

if (!isInstalled)
  test.skip(`skipped: ${python} has no keras with a backend; PYTHON names another interpreter`, () => {});

const NETWORKS = [
  'flowers',
  'transfer',
  'vgg_like',
  'MobileNetV2',
  'MobileNetV3Small',
  'MobileNetV3Large',
  'EfficientNetB0',
  'ResNet50V2',
  'InceptionV3',
  'Xception',
];

describe.skipIf(!isInstalled)('Keras', () => {
  test.each(NETWORKS)('%s gives the same outputs after its import', { timeout: 300_000 }, async (name) => {
    const folder = await mkdtemp(join(tmpdir(), 'menagerie-keras-'));
    try {
      await run(python, ['scripts/golden/keras_models.py', name, '--out', folder]);
      for (const file of MODEL_FILES) await expectKerasOutputs(join(folder, name), file);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
