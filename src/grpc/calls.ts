import { randomUUID } from 'node:crypto';
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import { type Access, requireScope } from '../access/access.ts';
import { forwardedAddress, plainAddress } from '../access/client-address.ts';
import { isForwarded, isLoopback } from '../access/exposure.ts';
import type { RateLimit } from '../access/rate-limit.ts';
import { asAppError } from '../common/as-app-error.ts';
import { AppError } from '../common/errors.ts';
import { parseTraceparent } from '../metrics/trace-context.ts';
import type { Grpc } from '../oip/grpc-library.ts';
import { Arrival, type ArrivalLimits, http2StreamOf } from './arrival.ts';
import type { CallLog } from './call-log.ts';
import type { Call, CallRecord, MethodRules } from './method.ts';
import { endStatus, type Failure, failureStatus } from './status.ts';

/** Thrown where a call ends because its client has left. It is neither answered nor logged as an error. */
class CallCancelled extends Error {
  constructor() {
    super('the client cancelled the call, or its deadline has passed');
    this.name = 'CallCancelled';
  }
}

/** What calls are checked against. */
export interface CallGuards {
  readonly access: Pick<Access, 'identify'>;
  readonly rateLimit: Pick<RateLimit, 'count'>;
  readonly limits: ArrivalLimits;
  /** How many proxies in front are trusted to say the client's address. */
  readonly trustProxy: number;
  readonly isShuttingDown: () => boolean;
  readonly log: CallLog;
}

/** A call from its headers to its status. */
interface OpenCall {
  readonly call: Call;
  /** Ends the call with an error. */
  fail(thrown: unknown): Failure;
}

/**
 * Admits calls before their messages are read: by key and scope, by rate, and by size. Keeps what is known of each, and
 * logs and counts it when it is over.
 */
export class Calls {
  readonly #grpc: Grpc;
  readonly #methods: ReadonlyMap<string, MethodRules>;
  readonly #guards: CallGuards;
  /** By their metadata, which is all that the library hands to a handler of what an interceptor had. */
  readonly #open = new WeakMap<Metadata, OpenCall>();

  constructor(grpc: Grpc, methods: readonly MethodRules[], guards: CallGuards) {
    this.#grpc = grpc;
    this.#methods = new Map(methods.map((method) => [method.path, method]));
    this.#guards = guards;
  }

  /** Whether there is a method with this path. */
  readonly hasMethod = (path: string): boolean => this.#methods.has(path);

  /** The call with these metadata, which has been admitted. */
  of(metadata: Metadata): OpenCall {
    const open = this.#open.get(metadata);
    if (open === undefined) throw new Error('a call was not admitted');
    return open;
  }

  /** Stands between the library and the handlers. */
  readonly intercept: ServerInterceptor = ({ path }, call) => {
    const { limits, trustProxy, log } = this.#guards;
    const connection = call.getConnectionInfo().remoteAddress ?? 'unknown';
    const controller = new AbortController();
    const record: CallRecord = {
      requestId: randomUUID(),
      traceId: undefined,
      path,
      address: plainAddress(connection),
      startedAt: performance.now(),
      receivedBytes: 0,
      sentBytes: 0,
    };
    const method = this.#methods.get(path);
    let arrival: Arrival | undefined;
    let isOver = false;
    const finish = (status: number): void => {
      if (isOver) return;
      isOver = true;
      record.receivedBytes = arrival?.receivedBytes ?? record.receivedBytes;
      arrival?.end();
      log.write(record, status, method);
      controller.abort(new CallCancelled());
    };
    const fail = (thrown: unknown): Failure => {
      const error = asAppError(thrown);
      if (!isOver) log.fault(record, error);
      finish(error.status);
      return failureStatus(this.#grpc, error, record.requestId);
    };
    return new this.#grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              record.traceId = parseTraceparent(metadata.get('traceparent')[0]?.toString())?.traceId;
              const forwardedFor = metadata.get('x-forwarded-for').join(',');
              record.address = plainAddress(forwardedAddress(connection, { forwardedFor, trustProxy }));
              const isRemote = connection === 'unknown' || !isLoopback(connection);
              if (method !== undefined) this.#admit(method, metadata, record, isRemote);
              arrival = new Arrival(call, limits, (error) => call.sendStatus(fail(error)));
            } catch (thrown) {
              return call.sendStatus(fail(thrown));
            }
            const note: Call['note'] = (work) => Object.assign(record, work);
            const { signal } = controller;
            this.#open.set(metadata, { call: { requestId: record.requestId, signal, note }, fail });
            pass(metadata);
          },
          onReceiveMessage: (message: Buffer, pass) => {
            record.receivedBytes = message.length;
            try {
              arrival?.complete(message.length);
            } catch (thrown) {
              return call.sendStatus(fail(thrown));
            }
            pass(message);
          },
          // Whoever has ended the call: the client, or the library, which tells an interceptor nothing else of its errors.
          onCancel: () => finish(endStatus(http2StreamOf(call))),
        }),
      sendMessage: (message: Buffer, next) => {
        record.sentBytes += message.length;
        next(message);
      },
      sendStatus: (status, next) => {
        if (status.code === this.#grpc.status.OK) finish(200);
        next(status);
      },
    });
  };

  /** @throws AppError `shutting_down`, `key_missing`, `key_invalid`, `scope_missing`, `rate_limited` */
  #admit(
    { scope, path, whileShuttingDown }: MethodRules,
    metadata: Metadata,
    record: CallRecord,
    isRemote: boolean,
  ): void {
    const { access, rateLimit, isShuttingDown } = this.#guards;
    if (!whileShuttingDown && isShuttingDown()) {
      throw new AppError('shutting_down', 'The server is shutting down and takes no new calls; try again shortly.');
    }
    if (scope === 'open') return;
    const headers = Object.fromEntries(
      Object.entries(metadata.getMap()).map(([name, value]) => [name, value.toString()]),
    );
    const bearer = /^Bearer +(\S+) *$/i.exec(headers['authorization'] ?? '')?.[1];
    const client = access.identify({ header: bearer ?? headers['x-api-key'], isRemote }, isForwarded(headers));
    record.client = client;
    requireScope(client, scope, path);
    rateLimit.count(client, record.address);
  }
}
