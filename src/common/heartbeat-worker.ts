/** Entry of the thread that sends a watched process's heartbeat; `watchdog.ts` starts it and says what it means. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const { fd, intervalMs } = workerData as { readonly fd: number; readonly intervalMs: number };

function beat(): void {
  try {
    writeSync(fd, '.');
  } catch {
    // The parent is gone, and the main thread learns of it by `disconnect`.
  }
}

beat();
setInterval(beat, intervalMs);
