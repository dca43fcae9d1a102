import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled.ts';
import { AppError, type ErrorCode } from '../common/errors.ts';

/** Message from the thread when a data set cannot be trained on. */
export interface DatasetFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly context: Readonly<Record<string, unknown>>;
}

/** Three times what the names of a hundred thousand files and a table of 16 MB take. */
const MAX_MEMORY_MB = 512;

/**
 * Checks the names and labels of a data set, in a thread of its own: a hundred thousand names, or a table that was made
 * to be slow, would delay other requests or take the server's memory.
 * @throws AppError when the data set cannot be trained on whatever its images show
 */
export async function checkDataset(path: string): Promise<void> {
  const fault = await new Promise<DatasetFault | undefined>((resolve, reject) => {
    const worker = new Worker(compiledEntry(import.meta.url, 'dataset-check-worker.js'), {
      workerData: path,
      resourceLimits: { maxOldGenerationSizeMb: MAX_MEMORY_MB },
    });
    worker.on('message', resolve);
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') reject(error);
      const message = `names and labels of the data set take more than ${MAX_MEMORY_MB} MB of memory: send fewer files`;
      resolve({ code: 'archive_too_large', message, context: { limit: 'max_memory_mb', maximum: MAX_MEMORY_MB } });
    });
    worker.on('exit', (code) => reject(new Error(`the check of a data set ended with code ${code}`)));
  });
  if (fault !== undefined) throw new AppError(fault.code, fault.message, { context: fault.context });
}
