import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../../common/compiled.ts';
import type { DescribedNetwork } from '../../convert/import/graph-table.ts';
import type { BackboneFacts } from '../../convert/transfer/backbone.ts';

interface Paths {
  readonly from: string;
  /** A safetensors file that is not there yet. */
  readonly to: string;
}

/** What is made of the files that a pull brings; plain data, so that it can be sent to a worker. */
export type Unpacking =
  | ({ readonly type: 'pytorch' } & Paths)
  | ({ readonly type: 'tfjs'; readonly inputSize: readonly [number, number] } & Paths)
  | ({
      readonly type: 'backbone';
      readonly architecture: unknown;
      readonly inputSize: readonly [number, number];
      readonly mean: readonly number[];
      readonly std: readonly number[];
    } & Paths);

/** What is known of the model then, beside its tensors. */
export interface UnpackingResults {
  readonly pytorch: undefined;
  readonly tfjs: DescribedNetwork['table'];
  readonly backbone: BackboneFacts;
}

/**
 * Reads a foreign format in a thread of its own: whoever else answers requests in this process must not wait for it.
 * @throws ConversionError of what cannot be read; the signal's reason
 */
export async function unpack<Type extends Unpacking['type']>(
  task: Extract<Unpacking, { type: Type }>,
  signal: AbortSignal,
): Promise<UnpackingResults[Type]> {
  signal.throwIfAborted();
  const worker = new Worker(compiledEntry(import.meta.url, 'unpacking-worker.js'), { workerData: task });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<UnpackingResults[Type]>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () =>
        reject(signal.aborted ? signal.reason : new Error('the thread ended without an answer')),
      );
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
