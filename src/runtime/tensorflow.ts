import { createRequire } from 'node:module';
import util from 'node:util';
import { messageOf } from '../common/errors.ts';
import { type RejectedBackend, TENSORFLOW_BACKENDS, type TensorFlowBackend } from './session.ts';

export type TensorFlow = typeof import('@tensorflow/tfjs');

/** TensorFlow.js with the backend it computes on, and the faster ones that could not be had. */
export interface LoadedTensorFlow {
  readonly tf: TensorFlow;
  readonly backend: TensorFlowBackend;
  readonly rejected: readonly RejectedBackend[];
}

export interface TensorFlowOptions {
  /** For the native backend, which otherwise takes every core; the others compute on the calling thread. */
  readonly threads: number;
  /** Only this one will do. */
  readonly backend?: TensorFlowBackend;
}

// TensorFlow.js keeps its backends in module state. Its packages find one another by `require`, so all come that way:
// an `import` would give a second copy, without them.
const require = createRequire(import.meta.url);

let loading: Promise<LoadedTensorFlow> | undefined;

/**
 * TensorFlow.js on the fastest backend that works here. It is one for the whole process: the first call decides.
 * @throws when none works, or when one is asked for that is not the one in use; the message has the reasons.
 */
export async function loadTensorFlow({ threads, backend }: TensorFlowOptions): Promise<LoadedTensorFlow> {
  loading ??= load(backend === undefined ? TENSORFLOW_BACKENDS : [backend], threads);
  // A failure is not for ever: somebody may ask for another backend.
  loading.catch(() => {
    loading = undefined;
  });
  const loaded = await loading;
  if (backend !== undefined && loaded.backend !== backend) {
    throw new Error(`TensorFlow.js computes on ${loaded.backend} in this process already, not on ${backend}`);
  }
  return loaded;
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
  throw new Error(`TensorFlow.js has no backend that works: ${reasons}`);
}

async function activate(backend: TensorFlowBackend, threads: number): Promise<TensorFlow> {
  const tf: TensorFlow = require('@tensorflow/tfjs');
  // Keeps its advertisement for faster backends off the console.
  tf.enableProdMode();
  if (backend === 'tensorflow') requireNative(threads);
  if (backend === 'wasm') require('@tensorflow/tfjs-backend-wasm');
  // A backend that fails to start is passed over in silence, so what is in use is looked at.
  await tf.setBackend(backend);
  await tf.ready();
  if (tf.getBackend() !== backend) throw new Error(`TensorFlow.js fell back to ${tf.getBackend()}`);
  return tf;
}

function requireNative(threads: number): void {
  // The library reads its settings from the environment, once. 2: only errors on stderr.
  process.env['TF_CPP_MIN_LOG_LEVEL'] = '2';
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_NUM_INTEROP_THREADS'] = '1';
  // tfjs-node 4.22 calls two functions that Node 22 warns of and Node 23 removed. It works with them put back.
  const functions: Record<string, unknown> = util;
  functions['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined;
  functions['isArray'] = Array.isArray;
  require('@tensorflow/tfjs-node');
}

/** tfjs-node's message goes on for lines about compilers and other systems. */
function firstSentence(text: string): string {
  return text.split(/(?<=\.)\s/)[0]?.trim() ?? text;
}
