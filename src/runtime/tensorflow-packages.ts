import { createRequire } from 'node:module';
import { AppError } from '../common/errors.ts';

/**
 * The packages of TensorFlow.js without which it does not compute. They are peer dependencies: npm installs them unless
 * it is told to omit them, and they are the larger part of what a server without training does not need.
 */
export const TENSORFLOW_PACKAGES = [
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-backend-wasm',
] as const;
/** The version range of all of them, as in package.json. */
export const TENSORFLOW_VERSION = '4.22';

const { resolve } = createRequire(import.meta.url);

/** Whether TensorFlow.js is installed. It is looked for each time: it may be installed while the server runs. */
export function hasTensorFlow(): boolean {
  return TENSORFLOW_PACKAGES.every((name) => {
    try {
      resolve(name);
      return true;
    } catch {
      return false;
    }
  });
}

/** Refuses what needs TensorFlow.js where it is not installed. @throws AppError `tensorflow_missing`: what to type */
export function requireTensorFlow(): void {
  if (hasTensorFlow()) return;
  const packages = TENSORFLOW_PACKAGES.map((name) => `${name}@${TENSORFLOW_VERSION}`);
  throw new AppError(
    'tensorflow_missing',
    'training, the runtime "tfjs" and quantized exports need TensorFlow.js, which is not installed. In the folder in ' +
      `which Menagerie is installed, type: npm install ${packages.join(' ')}`,
    { context: { packages } },
  );
}
