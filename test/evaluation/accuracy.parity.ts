import { describe, test } from 'vitest';
import { EMBEDDED } from '../golden/pictures.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';
import { expectStatedAccuracy } from './measured-accuracy.ts';

const tinyVal = sharedPath('data', 'tiny-val.zip');

/** Every embedded model, some seconds each. */
describe(`evaluating through the pipeline that serves${tinyVal === undefined ? ` (${SHARED_ABSENT})` : ''}`, () => {
  test.skipIf(tinyVal === undefined).each(EMBEDDED)('%s reaches what its manifest says', async (name) => {
    await expectStatedAccuracy(name, tinyVal ?? '');
  });
});
