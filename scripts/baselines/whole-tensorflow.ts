import { createRequire } from 'node:module';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

export type WholeTensorFlow = typeof import('@tensorflow/tfjs');

/**
 * TensorFlow.js with gradients and layers that can be trained, on the fastest backend that works here. The server does
 * without them.
 */
export async function loadWholeTensorFlow(threads: number): Promise<{ tf: WholeTensorFlow; backend: string }> {
  const { backend } = await loadTensorFlow({ threads });
  // It adds to the same copy of the core, which has the backend.
  return { tf: createRequire(import.meta.url)('@tensorflow/tfjs') as WholeTensorFlow, backend };
}
