import { describe, it } from 'vitest';
import { describeSession } from '../contract/session.ts';
import { NATIVE_ABSENT, nativeIsBuilt } from '../native-tensorflow.ts';
import { describeMemory } from './tfjs-memory.ts';

if (nativeIsBuilt()) {
  describeSession('a session of native TensorFlow.js', { runtime: 'tfjs', threads: 1, backend: 'tensorflow' });
  describeMemory('tensorflow');
} else {
  describe('a session of native TensorFlow.js', () => it.skip(NATIVE_ABSENT, () => undefined));
}
