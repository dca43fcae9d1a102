import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'vitest';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';
import { describeReference, TORCHVISION_FOLDER } from './reference-outputs.ts';

/**
 * Every architecture at full size against the reference implementation: those of the repository, and those beside it.
 */
const shared = sharedPath('golden');

if (shared === undefined) test.skip(SHARED_ABSENT, () => {});

for (const folder of [TORCHVISION_FOLDER, shared]) {
  if (folder === undefined) continue;
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.json'))) {
    describeReference(basename(file, '.json'), join(folder, file));
  }
}
