import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled-entry.ts';
import type { Conversion } from '../convert/conversion.ts';
import type { ConversionProgress, ConversionSource } from '../convert/convert-model.ts';

/** Bound on the time between two messages of the converter, such as when the disk of the weights does not answer. */
const STALL_LIMIT_MS = 600_000;

/** Sent to the worker. */
export interface ConversionTask {
  readonly source: ConversionSource;
  /** The SHA-256 that the weights must have. */
  readonly sha256: string;
  /** The SHA-256 that the detector must have, if there is one. */
  readonly noveltySha256?: string | undefined;
  readonly outDir: string;
}

/** Sent by the worker. */
export type ConversionMessage =
  | { readonly type: 'progress'; readonly progress: ConversionProgress }
  | { readonly type: 'done'; readonly result: ConversionResult };

export interface ConversionResult {
  readonly conversion: Conversion;
  /** False when `outDir` held a sound conversion already. */
  readonly converted: boolean;
}

/**
 * Verifies the conversion in a folder, and makes it where there is none or where a file of it is damaged. This runs
 * in a worker thread: it takes seconds of computing, in which the event loop must answer requests.
 * @throws Error when the weights have another digest, cannot be converted, or the folder cannot be written
 */
export function runConversion(
  task: ConversionTask,
  onProgress: (progress: ConversionProgress) => void,
): Promise<ConversionResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(compiledEntry(import.meta.url, 'conversion-worker.js'), { workerData: task });
    // The thread is not ended then: ending one that is inside ONNX Runtime aborts the process.
    const stalled = setTimeout(() => {
      worker.unref();
      reject(new Error(`the converter made no progress for ${STALL_LIMIT_MS / 60_000} minutes`));
    }, STALL_LIMIT_MS);
    worker.on('message', (message: ConversionMessage) => {
      stalled.refresh();
      if (message.type === 'done') resolve(message.result);
      else onProgress(message.progress);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      clearTimeout(stalled);
      reject(new Error(`the converter ended with code ${code}`));
    });
  });
}
