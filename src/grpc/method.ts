import type { Client } from '../access/access.ts';
import type { Scope } from '../access/scope.ts';

/** A call that is being answered. */
export interface Call {
  readonly requestId: string;
  /** Aborted when the client has cancelled the call, or its deadline has passed. */
  readonly signal: AbortSignal;
  /** Notes what the call is about, for its line in the log. */
  note(work: { readonly model?: string; readonly images?: number }): void;
}

/** What a method asks of its calls. */
export interface MethodRules {
  /** `/package.Service/Method` */
  readonly path: string;
  /** What a client needs; `open` needs nothing. A test compares it with that of the same operation in HTTP. */
  readonly scope: Scope | 'open';
  /** Whether it changes something, so that it is written to the audit log. */
  readonly isChange?: true;
  /** Answered while the server shuts down. */
  readonly whileShuttingDown?: true;
}

/** One method of a service: a message is answered with a message. */
export interface Method extends MethodRules {
  /** @throws AppError; the reason of the signal */
  readonly handle: (message: Buffer, call: Call) => Uint8Array | Promise<Uint8Array>;
}

/** What is known of a call, for log and metrics. */
export interface CallRecord {
  readonly requestId: string;
  /** Of the caller's trace. */
  traceId: string | undefined;
  readonly path: string;
  /** Of the client. */
  address: string;
  /** `performance.now()` when the call arrived. */
  readonly startedAt: number;
  client?: Client;
  model?: string;
  images?: number;
  receivedBytes: number;
  sentBytes: number;
}
