import * as grpc from '@grpc/grpc-js';
import { pino } from 'pino';
import { Access } from '../../src/access/access.ts';
import { RateLimit } from '../../src/access/rate-limit.ts';
import { encode, type Fields, type Message, type MessageType } from '../../src/common/protobuf.ts';
import { createGrpcServer, type GrpcDependencies, type GrpcServer } from '../../src/grpc/grpc-server.ts';
import { InferenceStatistics } from '../../src/metrics/inference-statistics.ts';
import { INFERENCE_SERVICE } from '../../src/oip/messages.ts';
import { BodyParser } from '../../src/protocol/body-parser.ts';
import { ByteBudget } from '../../src/serving/byte-budget.ts';
import { CONFIG } from '../http/fixture.ts';

/** How a call ended: with a message, or with an error. */
export interface Answer {
  readonly message: Buffer;
  /** `OK`, `NOT_FOUND`, ... */
  readonly status: string;
  readonly detail: string;
  readonly code: string | undefined;
  readonly trailers: Readonly<Record<string, string>>;
}

/** What a call has beside its message. */
export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Milliseconds in which an answer must come. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Has the client compress the message. */
  readonly gzip?: true;
}

/** A running server of gRPC, and a client of it. */
export interface TestGrpc {
  readonly port: number;
  readonly server: GrpcServer;
  readonly budget: ByteBudget;
  /** Requests that were counted, as `path status`. */
  readonly counted: readonly string[];
  /** Parsed log lines, oldest first. */
  readonly log: readonly Record<string, unknown>[];
  /** Sends a message to a method of the protocol, or to one that is named by its whole path. */
  ask<F extends Fields>(
    method: string,
    type: MessageType<F>,
    message: Message<F>,
    options?: CallOptions,
  ): Promise<Answer>;
  /** The same with any bytes. */
  send(method: string, bytes: Uint8Array, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

/** Access without keys, as on loopback. */
const LOCAL_ACCESS = new Access(
  { everHadKeys: false, find: () => undefined },
  { allowAnonymous: 'none', isLocal: true },
);

/** Serves the protocol over given services on a free port. */
export async function startGrpc(
  services: Pick<GrpcDependencies, 'inference' | 'control'> & Partial<GrpcDependencies>,
): Promise<TestGrpc> {
  const log: Record<string, unknown>[] = [];
  const counted: string[] = [];
  const budget = new ByteBudget(CONFIG.maxBytesInFlight);
  const server = createGrpcServer(grpc, {
    config: CONFIG,
    access: LOCAL_ACCESS,
    rateLimit: new RateLimit(0),
    bodyBudget: budget,
    statistics: new InferenceStatistics(),
    parser: new BodyParser(services.config === undefined ? CONFIG : { ...CONFIG, ...services.config }),
    readiness: () => ({ ready: true }),
    isShuttingDown: () => false,
    version: '0.0.0',
    metrics: { observeRequest: ({ route, status }) => void counted.push(`${route.split('/').at(-1)} ${status}`) },
    logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    ...services,
  });
  const port = await server.listen(0);
  const clients = new Map<string, grpc.Client>();
  /** One connection for each way to compress. */
  const clientOf = (gzip: boolean): grpc.Client => {
    const known = clients.get(String(gzip));
    const client =
      known ??
      new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
        'grpc.max_receive_message_length': -1,
        'grpc.use_local_subchannel_pool': 1,
        ...(gzip && { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }),
      });
    clients.set(String(gzip), client);
    return client;
  };
  const send: TestGrpc['send'] = (method, bytes, { metadata = {}, deadlineMs, signal, gzip = false } = {}) =>
    new Promise((resolve) => {
      const path = method.startsWith('/') ? method : `/${INFERENCE_SERVICE}/${method}`;
      const headers = new grpc.Metadata();
      for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const asIs = (message: Buffer) => message;
      const call = clientOf(gzip).makeUnaryRequest(
        path,
        asIs,
        asIs,
        Buffer.from(bytes),
        headers,
        options,
        (error, message = Buffer.alloc(0)) => {
          const trailers = Object.fromEntries(
            Object.entries(error?.metadata.getMap() ?? {}).map(([name, value]) => [name, value.toString()]),
          );
          const status = grpc.status[error?.code ?? grpc.status.OK] ?? '?';
          resolve({ message, status, detail: error?.details ?? '', code: trailers['error-code'], trailers });
        },
      );
      signal?.addEventListener('abort', () => call.cancel());
    });
  return {
    port,
    server,
    budget,
    counted,
    log,
    send,
    ask: (method, type, message, options) => send(method, encode(type, message), options),
    close: async () => {
      for (const client of clients.values()) client.close();
      await server.drain(0);
    },
  };
}
