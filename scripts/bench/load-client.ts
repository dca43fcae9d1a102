/**
 * Generates closed-loop load over raw sockets, in a separate process: each connection sends a photo, waits for the
 * whole response, and sends the next. It does as little as possible, because it shares the CPU with the server under
 * test.
 */
import { createConnection } from 'node:net';
import { type BodyKind, onResponses, requestOf } from './photo-request.ts';
import { loadPhotos } from './photos.ts';
import { Window, type WindowResult } from './window.ts';

export interface LoadTask {
  readonly port: number;
  readonly path: string;
  readonly body: BodyKind;
  readonly concurrency: number;
  readonly seconds: number;
}

/** `answers` counts responses with status 200. */
export interface LoadResult extends WindowResult {
  /** Numbers of other responses by status line, and of broken connections by error code. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Milliseconds that the server asks to wait before the next request. */
function waitOf(head: string): number {
  return 1_000 * Number(/^retry-after: *(\d+)\r?$/im.exec(head)?.[1] ?? 0);
}

async function measure(task: LoadTask, requests: readonly Buffer[]): Promise<LoadResult> {
  const window = new Window(task.seconds);
  const failures: Record<string, number> = {};
  let next = 0;
  const connection = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = createConnection({ port: task.port, host: '127.0.0.1', noDelay: true });
      let sent = 0;
      let waiting = false;
      let waitMs = 0;
      const fail = (what: string): void => {
        failures[what] = (failures[what] ?? 0) + 1;
      };
      const send = (): void => {
        if (socket.destroyed) return;
        if (window.over) {
          socket.end();
          return;
        }
        waiting = true;
        sent = performance.now();
        socket.write(requests[next++ % requests.length] ?? '');
      };
      socket.on('connect', send);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // After a response the server may close the connection.
        if (waiting) fail(error.code ?? error.message);
      });
      // A closed connection is opened again, as clients do.
      socket.on('close', () => {
        if (window.over) resolve();
        else setTimeout(() => resolve(connection()), waitMs);
      });
      onResponses(socket, (head) => {
        waiting = false;
        const status = head.slice(0, head.indexOf('\r\n'));
        if (status.includes(' 200 ')) window.count(sent);
        else fail(status);
        // No longer than the whole run, so that the run ends.
        waitMs = Math.min(waitOf(head), 1_000 * task.seconds);
        if (/^connection: *close/im.test(head)) socket.end();
        else if (waitMs === 0) send();
        else setTimeout(send, waitMs);
      });
    });
  await Promise.all(Array.from({ length: task.concurrency }, connection));
  return { ...window.result(), failures };
}

const photos = await loadPhotos(process.argv[2]);
process.on('message', (task: LoadTask) => {
  const requests = photos.map((photo) => requestOf(photo, task));
  void measure(task, requests).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
