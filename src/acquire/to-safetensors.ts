import { rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled-entry.ts';
import type { DescribedNetwork } from '../convert/formats/tfjs-import/graph-table.ts';
import type { ImportedLayers } from '../convert/import/import-tfjs.ts';
import type { BackboneFacts } from '../convert/transfer/backbone.ts';

/** Time for any file, in milliseconds. */
const BASE_LIMIT_MS = 300_000;
/** A slow disk reads faster than this; checkpoints of 2 GB get half an hour. */
const BYTES_PER_MS = 1_000;
/** How long to wait for a thread to end after it was told to, in milliseconds. */
const TERMINATE_MS = 2_000;

interface Paths {
  readonly from: string;
  /** A safetensors file that does not exist yet. */
  readonly to: string;
}

/** A file to convert to safetensors. Plain data, so that it can be sent to a worker. */
export type SafetensorsTask =
  | ({ readonly type: 'pytorch' } & Paths)
  | ({ readonly type: 'tfjs'; readonly inputSize: readonly [number, number] } & Paths)
  /** A `.keras` or `.h5` file. The size is used when the model takes images of any size. */
  | ({ readonly type: 'keras'; readonly inputSize: readonly [number, number] | undefined } & Paths)
  | ({
      readonly type: 'backbone';
      readonly architecture: unknown;
      readonly inputSize: readonly [number, number];
      readonly mean: readonly number[];
      readonly std: readonly number[];
    } & Paths);

/** What each conversion finds out about the model. */
export interface SafetensorsResults {
  readonly pytorch: undefined;
  readonly tfjs: DescribedNetwork['table'];
  readonly keras: ImportedLayers;
  readonly backbone: BackboneFacts;
}

/**
 * Converts a file to safetensors in a worker thread, so that the server keeps answering meanwhile. A conversion that
 * fails, hangs or is aborted leaves no file.
 *
 * @throws ConversionError when the file cannot be read; Error when it takes too long; the signal's reason
 */
export async function toSafetensors<Type extends SafetensorsTask['type']>(
  task: Extract<SafetensorsTask, { type: Type }>,
  signal: AbortSignal = new AbortController().signal,
): Promise<SafetensorsResults[Type]> {
  const limitMs = BASE_LIMIT_MS + (await stat(task.from)).size / BYTES_PER_MS;
  signal.throwIfAborted();
  const worker = new Worker(compiledEntry(import.meta.url, 'to-safetensors-worker.js'), { workerData: task });
  const ended = new AbortController();
  try {
    return await new Promise<SafetensorsResults[Type]>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('messageerror', reject);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the converter ended with code ${code}, without a result`)));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: ended.signal });
      const overdue = () =>
        reject(new Error(`${basename(task.from)} was not converted within ${Math.round(limitMs / 1000)} s`));
      const timer = setTimeout(overdue, limitMs);
      ended.signal.addEventListener('abort', () => clearTimeout(timer));
    });
  } catch (thrown) {
    // A thread that hangs in a system call does not end.
    await Promise.race([worker.terminate(), delay(TERMINATE_MS)]);
    await rm(task.to, { force: true });
    throw thrown;
  } finally {
    ended.abort();
  }
}
