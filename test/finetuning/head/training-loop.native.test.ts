import { describe, it } from 'vitest';
import { NATIVE_ABSENT, nativeIsBuilt } from '../../native-tensorflow.ts';
import { describeTrainingLoop } from './training-loop-suite.ts';

if (nativeIsBuilt()) describeTrainingLoop('tensorflow');
else describe('a head trained on native TensorFlow.js', () => it.skip(NATIVE_ABSENT, () => undefined));
