import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { expectKerasOutputs, KERAS_FOLDER } from './keras-models.ts';

describe('a TF.js conversion of a Keras 3 model gives the outputs of Keras', async () => {
  test.each(await readdir(KERAS_FOLDER))('%s', (name) => expectKerasOutputs(join(KERAS_FOLDER, name)));
});
