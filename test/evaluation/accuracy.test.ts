import { describe, test } from 'vitest';

import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';
import { expectStatedAccuracy } from './measured-accuracy.ts';

const tinyVal = sharedPath('data', 'tiny-val.zip');

/** One model shows that the measuring is right; the others are measured in model-evaluation.parity.ts. */
describe(`evaluating through the pipeline that serves${tinyVal === undefined ? ` (${SHARED_ABSENT})` : ''}`, () => {
  test.skipIf(tinyVal === undefined)('a model reaches what its manifest says', async () => {
    await expectStatedAccuracy('vgg11_bn_slim.tiny200', tinyVal ?? '');
  });
});
