/**
 * Generates open-loop load over raw sockets, in a separate process: requests come at the times of a Poisson process,
 * whether or not earlier ones have been answered, as those of many clients do. A latency counts from the time at which a
 * request was due, so that a server which falls behind is seen to.
 */
import { createConnection, type Socket } from 'node:net';
import { seededRandom } from '../../src/common/random.ts';
import { onResponses, requestOf } from './photo-request.ts';
import { loadPhotos } from './photos.ts';
import { nextGap } from './poisson.ts';

export interface OpenLoopTask {
  /** Each request goes to one of them at random. */
  readonly ports: readonly number[];
  readonly path: string;
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  /** Seconds after which what was answered meanwhile is reported. */
  readonly reportSeconds: number;
}

/** What was answered since the last report. */
export interface OpenLoopReport {
  /** Requests that were due. */
  readonly due: number;
  /** Of answers with status 200, in milliseconds. */
  readonly latencies: readonly number[];
  /** Numbers of other answers by status and code, and of broken connections by error code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests without an answer yet. */
  readonly open: number;
  /** No report follows. */
  readonly isLast: boolean;
}

/** Milliseconds that the last answers may take. */
const DRAIN_MS = 60_000;
/** As many requests without an answer mean that the server has been lost: no more are sent. */
const MAX_OPEN = 2_000;

/** Connections to a port, of which one carries one request at a time. */
class Connections {
  readonly #port: number;
  readonly #free: Socket[] = [];
  /** Settles the request that a connection carries. */
  readonly #settle = new Map<Socket, (failure?: string) => void>();

  constructor(port: number) {
    this.#port = port;
  }

  send(request: Buffer, settle: (failure?: string) => void): void {
    const socket = this.#free.pop() ?? this.#open();
    this.#settle.set(socket, settle);
    socket.write(request);
  }

  end(): void {
    for (const socket of this.#free) socket.end();
  }

  #open(): Socket {
    const socket = createConnection({ port: this.#port, host: '127.0.0.1', noDelay: true });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#finish(socket, error.code ?? error.message));
    socket.on('close', () => {
      const place = this.#free.indexOf(socket);
      if (place >= 0) this.#free.splice(place, 1);
      this.#finish(socket, 'closed without an answer');
    });
    onResponses(socket, (head, body) => {
      const status = head.split(' ', 2)[1] ?? '';
      const code = /"code":"(\w+)"/.exec(status === '200' ? '' : body.toString())?.[1] ?? '';
      this.#finish(socket, status === '200' ? undefined : `${status} ${code}`.trim());
      if (/^connection: *close/im.test(head)) socket.end();
      else this.#free.push(socket);
    });
    return socket;
  }

  #finish(socket: Socket, failure: string | undefined): void {
    this.#settle.get(socket)?.(failure);
    this.#settle.delete(socket);
  }
}

function run(task: OpenLoopTask, photos: readonly Buffer[]): void {
  const requests = photos.map((photo) => requestOf(photo, { path: task.path, body: 'form' }));
  const servers = task.ports.map((port) => new Connections(port));
  const random = seededRandom(task.seed);
  const startedAt = performance.now();
  const end = startedAt + 1000 * task.seconds;
  let [due, open, dueAt] = [0, 0, startedAt];
  let latencies: number[] = [];
  let failures: Record<string, number> = {};

  const report = (isLast: boolean): void => {
    process.send?.({ due, latencies, failures, open, isLast } satisfies OpenLoopReport);
    [due, latencies, failures] = [0, [], {}];
  };
  const fail = (failure: string): void => {
    failures[failure] = (failures[failure] ?? 0) + 1;
  };
  const send = (wasDueAt: number): void => {
    due += 1;
    if (open >= MAX_OPEN) {
      fail('not sent: too many requests without an answer');
      return;
    }
    open += 1;
    const [request, server] = [requests[random.below(requests.length)], servers[random.below(servers.length)]];
    server?.send(request ?? Buffer.alloc(0), (failure) => {
      open -= 1;
      if (failure === undefined) latencies.push(performance.now() - wasDueAt);
      else fail(failure);
    });
  };
  const reports = setInterval(() => {
    // The last report has what comes at the end.
    if (performance.now() < end - 500 * task.reportSeconds) report(false);
  }, 1000 * task.reportSeconds);
  const drain = (): void => {
    if (open > 0 && performance.now() < end + DRAIN_MS) {
      setTimeout(drain, 10);
      return;
    }
    if (open > 0) failures['no answer'] = open;
    clearInterval(reports);
    report(true);
    for (const server of servers) server.end();
  };
  const next = (): void => {
    const now = performance.now();
    while (dueAt <= now && dueAt < end) {
      send(dueAt);
      dueAt += 1000 * nextGap(task.rate, random);
    }
    if (dueAt < end) setTimeout(next, dueAt - now);
    else setTimeout(drain, Math.max(0, end - now));
  };
  dueAt += 1000 * nextGap(task.rate, random);
  next();
}

const photos = await loadPhotos(process.argv[2]);
process.on('message', (task: OpenLoopTask) => run(task, photos));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
