import { describe, it } from 'vitest';
import { NATIVE_ABSENT, nativeIsBuilt } from '../../native-tensorflow.ts';
import { describeHead } from './head-suite.ts';

if (nativeIsBuilt()) describeHead('tensorflow');
else describe('a head trained on native TensorFlow.js', () => it.skip(NATIVE_ABSENT, () => undefined));
