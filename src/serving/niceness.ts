import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Added to the scheduling priority (`nice`) of the threads that decode images: the event loop, which reads requests
 * and sends answers, goes first.
 */
const DECODING_NICENESS = 5;

/**
 * Lowers the priority of all threads of this process except the event loop's by `DECODING_NICENESS`. The threads of
 * libvips inherit it from those of libuv's pool, which start them. Call it after the pool has been used, since its
 * threads start then.
 *
 * Engines keep the priority of other programs. A lower one yields to the event loop, but to every other process too. In
 * one run with ResNet-18 slim on two cores and 64 requests at a time, engines with a niceness of 10 served 0.73 of the
 * images of a server without any beside a process that kept a core busy (124 instead of 170 a second), and 1.01 of them
 * without it. With 0 for the engines and 5 for decoding it was 0.97 and 1.19, with 2 for both 0.94 and 1.11. The price is
 * the 99th percentile of the event loop's delay: 32 ms instead of 24.
 *
 * Only Linux takes the number of a thread where POSIX takes that of a process (setpriority(2)); elsewhere nothing
 * happens.
 */
export function putEventLoopFirst(): void {
  for (const thread of threads()) {
    if (thread === process.pid) continue;
    try {
      setPriority(thread, DECODING_NICENESS);
    } catch {
      // The thread has ended, or the system forbids this. The server works without it.
    }
  }
}

/** Numbers of the threads of this process. The event loop's is the number of the process. */
function threads(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [];
  }
}
