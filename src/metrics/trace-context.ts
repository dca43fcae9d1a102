import { randomBytes } from 'node:crypto';

/** Position of a piece of work in a trace, as in W3C's Trace Context. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Two hexadecimal digits; the last bit says whether the trace is recorded. */
  readonly flags: string;
}

/** Later versions may append fields. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;

/** @param header value of `traceparent`; one that is not valid counts as none */
export function parseTraceparent(header: string | string[] | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(typeof header === 'string' ? header : '') ?? [];
  return traceId !== undefined && spanId !== undefined && flags !== undefined ? { traceId, spanId, flags } : undefined;
}

/** The value of `traceparent` and `traceresponse`. */
export function formatTraceparent({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${flags}`;
}

/** A part of the same trace with a span of its own. */
export function childOf({ traceId, flags }: TraceContext): TraceContext {
  return { traceId, flags, spanId: randomBytes(8).toString('hex') };
}
