import { afterEach, expect, it, vi } from 'vitest';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { nativeIsBuilt } from '../native-tensorflow.ts';

afterEach(() => vi.restoreAllMocks());

it('uses the fastest backend that works, says why it rejected others, and prints nothing', async () => {
  const warn = vi.spyOn(console, 'warn');
  const { tf, backend, rejected } = await loadTensorFlow({ threads: 1 });
  expect(backend).toBe(nativeIsBuilt() ? 'tensorflow' : 'wasm');
  expect(tf.getBackend()).toBe(backend);
  if (!nativeIsBuilt()) {
    expect(rejected).toEqual([{ backend: 'tensorflow', reason: expect.stringMatching(/tfjs_binding|tfjs-node/) }]);
  }
  tf.tidy(() => tf.tensor1d([1, 2]).square().dataSync());
  expect(warn).not.toHaveBeenCalled();
});

it('has one backend for the whole process', async () => {
  const { backend } = await loadTensorFlow({ threads: 1 });
  await expect(loadTensorFlow({ threads: 1, backend: 'cpu' })).rejects.toThrow(`already uses the backend ${backend}`);
});
