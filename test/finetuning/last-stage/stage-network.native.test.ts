import { describe, it } from 'vitest';
import { NATIVE_ABSENT, nativeIsBuilt } from '../../native-tensorflow.ts';
import { describeStageNetwork } from './stage-network-suite.ts';

if (nativeIsBuilt()) describeStageNetwork('tensorflow');
else describe('the last stage on native TensorFlow.js', () => it.skip(NATIVE_ABSENT, () => undefined));
