/**
 * Closed-loop load over raw sockets, in a process of its own: each connection sends a photo, waits for the whole answer,
 * sends the next. It does as little as it can, since it takes its CPU from the server under test.
 */
import { createConnection, type Socket } from 'node:net';
import { loadPhotos } from './photos.ts';
import { Window, type WindowResult } from './window.ts';

export interface LoadTask {
  readonly port: number;
  readonly path: string;
  readonly concurrency: number;
  readonly seconds: number;
}

/** Answers are those with status 200. */
export interface LoadResult extends WindowResult {
  /** Other answers, by status line, and connections that were cut before an answer, by error code. */
  readonly failures: Readonly<Record<string, number>>;
}

const HEADER_END = Buffer.from('\r\n\r\n');

/** Reads one response; calls back with its status line. Keep-alive, `Content-Length` alone. */
function onResponses(socket: Socket, callback: (status: string) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const end = pending.indexOf(HEADER_END);
    if (end < 0) return;
    const head = pending.toString('latin1', 0, end);
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length)) throw new Error(`an answer without Content-Length: ${head}`);
    if (pending.length < end + HEADER_END.length + length) return;
    pending = Buffer.alloc(0);
    callback(head.slice(0, head.indexOf('\r\n')));
  });
}

async function measure(task: LoadTask, requests: readonly Buffer[]): Promise<LoadResult> {
  const window = new Window(task.seconds);
  const failures: Record<string, number> = {};
  let next = 0;
  const connection = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = createConnection({ port: task.port, host: '127.0.0.1', noDelay: true });
      let sent = 0;
      const fail = (what: string): void => {
        failures[what] = (failures[what] ?? 0) + 1;
      };
      const send = (): void => {
        sent = performance.now();
        socket.write(requests[next++ % requests.length] ?? '');
      };
      socket.on('connect', send);
      socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
      // A cut connection is made anew, as clients do.
      socket.on('close', (cut) => resolve(cut && !window.over ? connection() : undefined));
      onResponses(socket, (status) => {
        if (status.includes(' 200 ')) window.count(sent);
        else fail(status);
        if (window.over) socket.end();
        else send();
      });
    });
  await Promise.all(Array.from({ length: task.concurrency }, connection));
  return { ...window.result(), failures };
}

const photos = await loadPhotos(process.argv[2] || undefined);
process.on('message', (task: LoadTask) => {
  const requests = photos.map((photo) =>
    Buffer.concat([
      Buffer.from(
        `POST ${task.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: ${photo.length}\r\n\r\n`,
      ),
      photo,
    ]),
  );
  void measure(task, requests).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
