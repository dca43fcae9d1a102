import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLASSIFIER_OUTPUTS, type TensorFlowBackend } from '../../src/runtime/session.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { openTfjsSession } from '../../src/runtime/tfjs.ts';
import { plainImage, writeColourModel } from '../colour-model.ts';

/** TensorFlow.js frees no tensors by itself: those that a session leaves behind stay until the process ends. */
export function describeMemory(backend: TensorFlowBackend): void {
  describe(`the tensors of a session on ${backend}`, () => {
    it('are freed after each run and when the session is closed', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'menagerie-memory-'));
      const { tf } = await loadTensorFlow({ threads: 1, backend });
      const before = tf.memory().numTensors;
      const path = (await writeColourModel(folder)).tfjs;
      const session = await openTfjsSession({ runtime: 'tfjs', path, threads: 1, backend });
      const loaded = tf.memory().numTensors;
      const image = { data: plainImage([1, 2, 3]), shape: [1, 4, 4, 3] };
      for (let run = 0; run < 3; run += 1) await session.run(image, CLASSIFIER_OUTPUTS);
      await session.run(image, ['features']);
      await expect(session.run({ ...image, shape: [1] }, ['logits'])).rejects.toThrow();
      expect(tf.memory().numTensors).toBe(loaded);
      await session.close();
      expect(tf.memory().numTensors).toBe(before);
      await rm(folder, { recursive: true });
    });
  });
}
