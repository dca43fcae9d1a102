import { createRequire } from 'node:module';
import util from 'node:util';
import { messageOf } from '../common/errors.ts';
import { type RejectedBackend, TENSORFLOW_BACKENDS, type TensorFlowBackend } from './session.ts';
import { requireTensorFlow } from './tensorflow-packages.ts';

type Core = typeof import('@tensorflow/tfjs-core');
type Tensor = import('@tensorflow/tfjs-core').Tensor;
type Layers = typeof import('@tensorflow/tfjs-layers');

/**
 * The parts of TensorFlow.js that are used, without the package `@tensorflow/tfjs`, which would take another 150 MB for
 * browsers and other formats. Tensors have no methods for operations, and there are no gradients.
 */
export type TensorFlow = Core & Pick<Layers, 'loadLayersModel'>;

/** TensorFlow.js, its backend, and the faster backends that do not work here. */
export interface LoadedTensorFlow {
  readonly tf: TensorFlow;
  readonly backend: TensorFlowBackend;
  readonly rejected: readonly RejectedBackend[];
}

export interface TensorFlowOptions {
  /** Threads of the native backend, which would take all cores; the others compute on the calling thread. */
  readonly threads: number;
  /** The backend to use; the fastest that works when absent. */
  readonly backend?: TensorFlowBackend;
}

// TensorFlow.js keeps its backends in the state of its module. Its packages load each other with `require`, and so
// does this file: `import` would load a second copy, which has no backends.
const require = createRequire(import.meta.url);

let loading: Promise<LoadedTensorFlow> | undefined;

/**
 * Loads TensorFlow.js on the fastest backend that works here. The first call decides for the whole process.
 * @throws AppError `tensorflow_missing`; Error with the reasons when no backend works, or when `backend` is not the one
 * in use
 */
export async function loadTensorFlow({ threads, backend }: TensorFlowOptions): Promise<LoadedTensorFlow> {
  requireTensorFlow();
  loading ??= load(backend === undefined ? TENSORFLOW_BACKENDS : [backend], threads);
  // After a failure another backend may be tried.
  loading.catch(() => {
    loading = undefined;
  });
  const loaded = await loading;
  if (backend !== undefined && loaded.backend !== backend) {
    throw new Error(`TensorFlow.js already uses the backend ${loaded.backend} in this process, not ${backend}`);
  }
  return loaded;
}

/**
 * The values of a tensor that `compute` makes; all others that it makes are disposed of. Not by `tf.tidy`, which looks
 * for tensors in every element of an array that is returned: for a million of them it takes most of a second.
 */
export function valuesOf(tf: TensorFlow, compute: () => Tensor): Float32Array {
  const result = tf.tidy(compute);
  try {
    return result.dataSync<'float32'>();
  } finally {
    result.dispose();
  }
}

async function load(candidates: readonly TensorFlowBackend[], threads: number): Promise<LoadedTensorFlow> {
  const rejected: RejectedBackend[] = [];
  for (const backend of candidates) {
    try {
      return { tf: await activate(backend, threads), backend, rejected };
    } catch (error) {
      rejected.push({ backend, reason: firstSentence(messageOf(error)) });
    }
  }
  const reasons = rejected.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ');
  throw new Error(`no backend of TensorFlow.js works here: ${reasons}`);
}

async function activate(backend: TensorFlowBackend, threads: number): Promise<TensorFlow> {
  const core: Core = require('@tensorflow/tfjs-core');
  const { loadLayersModel }: Layers = require('@tensorflow/tfjs-layers');
  const tf: TensorFlow = { ...core, loadLayersModel };
  // Keeps the advertisement for faster backends off the console.
  tf.enableProdMode();
  if (backend === 'tensorflow') requireNative(threads);
  else require(`@tensorflow/tfjs-backend-${backend}`);
  // TensorFlow.js passes over a backend that fails to start without an error.
  await tf.setBackend(backend);
  await tf.ready();
  if (tf.getBackend() !== backend) throw new Error(`TensorFlow.js fell back to ${tf.getBackend()}`);
  return tf;
}

function requireNative(threads: number): void {
  // The library reads these settings once. 2: only errors on stderr.
  process.env['TF_CPP_MIN_LOG_LEVEL'] = '2';
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_NUM_INTEROP_THREADS'] = '1';
  // tfjs-node 4.22 calls two functions that Node 22 deprecated and Node 23 removed. It works when they are put back.
  const functions: Record<string, unknown> = util;
  functions['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined;
  functions['isArray'] = Array.isArray;
  require('@tensorflow/tfjs-node');
}

/** The messages go on with lines about compilers and other systems, or with the modules that asked. */
function firstSentence(text: string): string {
  return text.split(/\n|(?<=\.)\s/)[0]?.trim() ?? text;
}
