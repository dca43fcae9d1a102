import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importTfjsModel } from '../../src/convert/import/import-tfjs.ts';
import { expectKerasOutputs, KERAS_FOLDER } from './keras-models.ts';

describe('a TF.js conversion of a Keras 3 model gives the outputs of Keras', async () => {
  test.each(await readdir(KERAS_FOLDER))('%s', (name) => expectKerasOutputs(join(KERAS_FOLDER, name)));
});

test('a model that crops its images and then scales them takes pixels from 0 to 255', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-keras-'));
  try {
    const path = join(KERAS_FOLDER, 'small_functional/model.json');
    const { scalesPixels } = await importTfjsModel(path, undefined, join(folder, 'weights.safetensors'));
    expect(scalesPixels).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
