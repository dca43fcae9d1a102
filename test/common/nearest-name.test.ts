import { expect, test } from 'vitest';
import { nearestName } from '../../src/common/nearest-name.ts';

const NAMES = ['HOST', 'PORT', 'DATA_DIR', 'MAX_BATCH_SIZE', 'MAX_IMAGES', 'MAX_IMAGE_BYTES', 'SHUTDOWN_TIMEOUT_MS'];

test.each([
  ['MAX_BATCHSIZE', 'MAX_BATCH_SIZE'],
  ['max-batch-size', 'MAX_BATCH_SIZE'],
  ['MAX_BACTH_SIZE', 'MAX_BATCH_SIZE'],
  ['BATCH_SIZE', 'MAX_BATCH_SIZE'],
  ['MAX_IMAGE', 'MAX_IMAGES'],
  ['MAX_IMAGE_SIZE', 'MAX_IMAGE_BYTES'],
  ['SHUTDOWN_TIMEOUT', 'SHUTDOWN_TIMEOUT_MS'],
  ['port', 'PORT'],
  ['DATADIR', 'DATA_DIR'],
])('%s is probably %s', (typed, name) => {
  expect(nearestName(typed, NAMES)).toBe(name);
});

test.each(['PATH', 'POST', 'HOSTNAME', 'TEMP_DIR', 'LANG', 'MAX_HEAP', 'NODE_OPTIONS', ''])(
  '"%s" is near nothing',
  (typed) => {
    expect(nearestName(typed, NAMES)).toBeUndefined();
  },
);
