import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importTfjsModel } from '../../src/convert/import/import-tfjs.ts';
import { expectKerasOutputs, KERAS_FOLDER, MODEL_FILES } from './keras-models.ts';

describe('a model of Keras 3 gives the outputs of Keras', async () => {
  const models = await readdir(KERAS_FOLDER);
  test.each(models.flatMap((name) => MODEL_FILES.map((file) => [name, file] as const)))('%s/%s', (name, file) =>
    expectKerasOutputs(join(KERAS_FOLDER, name), file),
  );
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
