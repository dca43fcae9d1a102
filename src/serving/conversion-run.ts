import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled-entry.ts';
import type { Conversion } from '../convert/conversion.ts';
import type { ConversionProgress, ConversionSource } from '../convert/convert-model.ts';

/** Bound on the time between two messages of the converter, such as when the disk of the weights does not answer. */
const STALL_LIMIT_MS = 600_000;

/** A conversion, sent to the worker. */
export interface ConversionTask {
  readonly source: ConversionSource;
  /** The SHA-256 that the weights must have. */
  readonly sha256: string;
  /** The SHA-256 that the detector must have, if there is one. */
  readonly noveltySha256?: string | undefined;
  readonly outDir: string;
}

/** What the worker is given: a conversion to verify, or to make where there is no sound one. */
export type ConversionWork = Pick<ConversionTask, 'outDir'> | ConversionTask;

/** Sent by the worker. */
export type ConversionMessage =
  | { readonly type: 'progress'; readonly progress: ConversionProgress }
  | { readonly type: 'verified'; readonly conversion: Conversion | undefined }
  | { readonly type: 'converted'; readonly conversion: Conversion };

/** How a conversion came about. */
export interface ConversionResult {
  readonly conversion: Conversion;
  /** False when `outDir` held a sound conversion already. */
  readonly converted: boolean;
}

/** Verifies the conversion in a folder by its digests. @returns undefined when there is none, or a file of it is damaged */
export async function runVerification(outDir: string): Promise<Conversion | undefined> {
  return (await run({ outDir }, () => {})).conversion;
}

/**
 * Verifies the conversion in a folder, and makes it where there is none or where a file of it is damaged.
 * @throws Error when the weights have another digest, cannot be converted, or the folder cannot be written
 */
export async function runConversion(
  task: ConversionTask,
  onProgress: (progress: ConversionProgress) => void,
): Promise<ConversionResult> {
  const { type, conversion } = await run(task, onProgress);
  if (conversion === undefined) throw new Error('the converter made nothing');
  return { conversion, converted: type === 'converted' };
}

/** This runs in a worker thread: it takes seconds of computing, in which the event loop must answer requests. */
function run(
  work: ConversionWork,
  onProgress: (progress: ConversionProgress) => void,
): Promise<Exclude<ConversionMessage, { type: 'progress' }>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(compiledEntry(import.meta.url, 'conversion-worker.js'), { workerData: work });
    // The thread is not ended then: ending one that is inside ONNX Runtime aborts the process.
    const stalled = setTimeout(() => {
      worker.unref();
      reject(new Error(`the converter made no progress for ${STALL_LIMIT_MS / 60_000} minutes`));
    }, STALL_LIMIT_MS);
    worker.on('message', (message: ConversionMessage) => {
      stalled.refresh();
      if (message.type === 'progress') onProgress(message.progress);
      else resolve(message);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      clearTimeout(stalled);
      reject(new Error(`the converter ended with code ${code}`));
    });
  });
}
