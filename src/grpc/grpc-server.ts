import type { handleServerStreamingCall, handleUnaryCall, Server, ServerWritableStream } from '@grpc/grpc-js';
import type { Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Grpc } from '../oip/grpc-library.ts';
import type { ByteBudget } from '../serving/byte-budget.ts';
import { CallLog } from './call-log.ts';
import { type CallGuards, Calls } from './calls.ts';
import { HEALTH_WATCH, healthMethods, watchHealth } from './health.ts';
import { type InferenceDependencies, inferenceMethods } from './inference-methods.ts';
import type { Method } from './method.ts';
import { countRefusedCalls } from './refused-calls.ts';

/** Calls at once on one connection. More wait in the client. */
const MAX_STREAMS = 1_000;

/** Dependencies of the server. */
export interface GrpcDependencies extends InferenceDependencies, Pick<CallGuards, 'access' | 'rateLimit'> {
  readonly config: InferenceDependencies['config'] &
    Pick<Config, 'host' | 'maxBodyBytes' | 'requestTimeoutMs' | 'stallTimeoutMs' | 'trustProxy'>;
  readonly bodyBudget: Pick<ByteBudget, 'reserve'>;
  readonly metrics: Pick<Metrics, 'observeRequest'>;
  readonly logger: Logger;
}

/** A server of gRPC that is not listening yet. */
export interface GrpcServer {
  /** @param port 0 picks a free one @returns the port @throws Error of the system */
  listen(port: number): Promise<number>;
  /**
   * Takes no more calls, and lets those in flight finish.
   * @param graceMs milliseconds after which all connections are closed
   */
  drain(graceMs: number): Promise<void>;
}

/** Creates a server for the protocol and for health checks. */
export function createGrpcServer(grpc: Grpc, dependencies: GrpcDependencies): GrpcServer {
  const { config, bodyBudget, logger, metrics, isShuttingDown, readiness } = dependencies;
  const isReady = () => !isShuttingDown() && readiness().ready;
  const methods = [...inferenceMethods(dependencies), ...healthMethods(isReady)];
  const log = new CallLog(logger, metrics);
  const limits = { ...config, budget: bodyBudget };
  const calls = new Calls(grpc, [...methods, HEALTH_WATCH], {
    ...dependencies,
    limits,
    trustProxy: config.trustProxy,
    log,
  });
  const server = new grpc.Server({
    interceptors: [calls.intercept],
    'grpc.max_receive_message_length': config.maxBodyBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_STREAMS,
    'grpc.enable_channelz': 0,
  });
  for (const method of methods) server.register(method.path, unary(method, calls), asIs, asIs, 'unary');
  const watchers = new Set<ServerWritableStream<Buffer, Buffer>>();
  const watch: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    watchers.add(call);
    call.once('cancelled', () => watchers.delete(call));
    watchHealth(call, isReady);
  };
  server.register(HEALTH_WATCH.path, watch, asIs, asIs, 'serverStream');
  const addressOf = (port: number) => `${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  let listening: string | undefined;
  return {
    listen: async (port) => {
      const bound = await bind(grpc, server, addressOf(port));
      listening = addressOf(bound);
      countRefusedCalls(server, { hasMethod: calls.hasMethod, trustProxy: config.trustProxy, log });
      return bound;
    },
    drain: async (graceMs) => {
      for (const call of watchers) call.end();
      // First this one: `forceShutdown` would leave connections open that `tryShutdown` waits for.
      if (listening !== undefined) server.drain(listening, graceMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

/** Messages are read and written by the methods, whose errors tell more than the library's. */
function asIs(message: Buffer): Buffer {
  return message;
}

function unary({ handle }: Method, calls: Calls): handleUnaryCall<Buffer, Buffer> {
  return ({ metadata, request }, answer) => {
    const { call, fail } = calls.of(metadata);
    // Called in a promise, so that what it throws at once is answered too.
    Promise.resolve()
      .then(() => handle(request, call))
      .then(
        (message) => answer(null, asBuffer(message)),
        (thrown: unknown) => answer(fail(thrown)),
      );
  };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function bind({ ServerCredentials }: Grpc, server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new Error(`gRPC cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
}
