import { join } from 'node:path';
import { describeReference, TORCHVISION_FOLDER } from './reference-outputs.ts';

/**
 * The networks that are small enough to be compared with the reference in every test run; `imagenet.parity.ts` has
 * all.
 */
for (const architecture of ['mobilenet_v2', 'squeezenet1_0', 'squeezenet1_1']) {
  describeReference(architecture, join(TORCHVISION_FOLDER, `${architecture}.json`));
}
