import { describe, test } from 'vitest';
import { EMBEDDED } from '../golden/pictures.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';
import { expectStatedAccuracy } from './measured-accuracy.ts';

const tinyVal = sharedPath('data', 'tiny-val.zip');

/** All embedded models, which takes some seconds each. */
describe(`measuring the accuracy${tinyVal === undefined ? ` (${SHARED_ABSENT})` : ''}`, () => {
  test.skipIf(tinyVal === undefined).each(EMBEDDED)('%s has the accuracy that its manifest states', async (name) => {
    await expectStatedAccuracy(name, tinyVal ?? '');
  });
});
