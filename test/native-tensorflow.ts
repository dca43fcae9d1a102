import { readdirSync } from 'node:fs';

/** Why a suite on the native TensorFlow.js is skipped; show it in the suite's name. */
export const NATIVE_ABSENT = 'skipped: the native TensorFlow.js is not built (npm run tfjs-node builds it)';

/** Whether `@tensorflow/tfjs-node` has its binding here. */
export function nativeIsBuilt(): boolean {
  try {
    const folder = new URL('../node_modules/@tensorflow/tfjs-node/lib/', import.meta.url);
    return readdirSync(folder, { recursive: true }).some((path) => String(path).endsWith('tfjs_binding.node'));
  } catch {
    return false;
  }
}
