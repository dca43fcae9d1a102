import { fork } from 'node:child_process';
import { compiledEntry } from '../common/compiled-entry.ts';
import { AppError, type ErrorCode } from '../common/errors.ts';

/** Message from the process: null when the data set can be trained on as far as names and labels show. */
export type DatasetFault = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly context: Readonly<Record<string, unknown>>;
} | null;

/** Three times what the names of a hundred thousand files and a table of 16 MB take. */
const MAX_MEMORY_MB = 512;

/** Such a data set takes seconds; on a busy machine it takes several times that. */
const MAX_SECONDS = 120;

/**
 * Checks the names and labels of a data set in a process of its own: a hundred thousand names, or a table that was made
 * to be slow, would delay other requests or take the server's memory. A thread is not enough, since one that exceeds
 * its memory can end the whole process.
 * @param encoding of its names and tables, by any of its names; detected when it is not given
 * @throws AppError when the data set cannot be trained on whatever its images show; `training_lost` when the process ended
 * before it had answered
 */
export async function checkDataset(path: string, encoding = ''): Promise<void> {
  const fault = await new Promise<DatasetFault>((resolve, reject) => {
    const child = fork(compiledEntry(import.meta.url, 'dataset-check-child.js'), [path, encoding], {
      execArgv: [`--max-old-space-size=${MAX_MEMORY_MB}`],
      // V8 writes pages about the heap when it is full.
      stdio: 'ignore',
      timeout: MAX_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
    child.on('message', (message) => resolve(message as DatasetFault));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      // What it has sent may still be on its way.
      if (child.connected) child.once('disconnect', () => end(code, signal));
      else end(code, signal);
    });
    function end(code: number | null, signal: NodeJS.Signals | null): void {
      // By its timeout. Whatever else kills it, such as a system that is out of memory, says nothing of the data set.
      if (child.killed) resolve(tooLarge(`longer than ${MAX_SECONDS} s`, 'max_seconds', MAX_SECONDS));
      // V8 ends a process whose heap is full with `abort`.
      else if (signal === 'SIGABRT' || code === 134) {
        resolve(tooLarge(`more than ${MAX_MEMORY_MB} MB of memory`, 'max_memory_mb', MAX_MEMORY_MB));
      } else {
        const how = signal ? `was ended by ${signal}` : `exited with code ${code}`;
        reject(new AppError('training_lost', `the check of the data set ${how}; try again`, { retryAfter: 1 }));
      }
    }
  });
  if (fault !== null) throw new AppError(fault.code, fault.message, { context: fault.context });
}

function tooLarge(what: string, limit: string, maximum: number): DatasetFault {
  const message = `reading the names and labels of the data set takes ${what}: send fewer files`;
  return { code: 'archive_too_large', message, context: { limit, maximum } };
}
