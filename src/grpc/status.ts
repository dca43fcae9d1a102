import type { ServerHttp2Stream } from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { type AppError, ERRORS, type ErrorCode } from '../common/errors.ts';
import type { Grpc } from '../oip/grpc-library.ts';

type HttpStatus = (typeof ERRORS)[ErrorCode]['status'];

/** Status codes of gRPC: https://grpc.io/docs/guides/status-codes/ */
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** The status of gRPC for each status of HTTP in the table of errors. */
const STATUS_CODES: Readonly<Record<HttpStatus, number>> = {
  400: INVALID_ARGUMENT,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: NOT_FOUND,
  405: UNIMPLEMENTED,
  408: DEADLINE_EXCEEDED,
  409: FAILED_PRECONDITION,
  413: INVALID_ARGUMENT,
  415: INVALID_ARGUMENT,
  421: INVALID_ARGUMENT,
  422: INVALID_ARGUMENT,
  429: RESOURCE_EXHAUSTED,
  431: RESOURCE_EXHAUSTED,
  500: INTERNAL,
  501: UNIMPLEMENTED,
  503: UNAVAILABLE,
  507: RESOURCE_EXHAUSTED,
};

/** Clients refuse trailers of more than 8 KiB. A character takes nine bytes at most where it is escaped. */
const MAX_DETAIL_LENGTH = 600;
/** Seconds, as of HTTP, where the error says none. */
const DEFAULT_RETRY_AFTER_S = 1;

/** How a call fails. */
export interface Failure {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * The status of a call that fails: the error's detail as its message, and in the trailers `error-code` with the code,
 * `request-id`, and `retry-after` in seconds where HTTP has it.
 */
export function failureStatus({ Metadata: Trailers }: Grpc, error: AppError, requestId: string): Failure {
  const metadata = new Trailers();
  metadata.set('error-code', error.code);
  metadata.set('request-id', requestId);
  if (error.status === 429 || error.status === 503) {
    metadata.set('retry-after', String(error.retryAfter ?? DEFAULT_RETRY_AFTER_S));
  }
  return { code: statusCode(error), details: shortened(error.message), metadata };
}

/** Status of HTTP, in log and metrics, of a call that the client cancelled, or whose deadline passed. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * The status of HTTP, in log and metrics, of a call that the library has ended: because its message or its headers
 * cannot be used, or because its client has left.
 * @param stream of the call; it has the status of gRPC that was sent, if one was
 */
export function endStatus(stream: Partial<Pick<ServerHttp2Stream, 'sentHeaders' | 'sentTrailers'>> = {}): number {
  // In the headers where nothing was sent before.
  const sent = stream.sentTrailers?.['grpc-status'] ?? stream.sentHeaders?.['grpc-status'];
  if (sent === undefined) return CLIENT_CLOSED_REQUEST;
  switch (Number(sent)) {
    case DEADLINE_EXCEEDED:
      return CLIENT_CLOSED_REQUEST;
    // Larger than a message may be when it is decompressed.
    case RESOURCE_EXHAUSTED:
      return ERRORS.body_too_large.status;
    // No message, or two; one that cannot be decompressed; a deadline that is no time.
    case UNIMPLEMENTED:
    case INTERNAL:
      return ERRORS.invalid_request.status;
    default:
      return ERRORS.internal.status;
  }
}

/** The status code of gRPC for an error. */
function statusCode({ code }: AppError): number {
  return STATUS_CODES[ERRORS[code].status];
}

/** Halves of surrogate pairs cannot be sent: what is cut in the middle of one is replaced. */
function shortened(detail: string): string {
  const cut = detail.length <= MAX_DETAIL_LENGTH ? detail : `${detail.slice(0, MAX_DETAIL_LENGTH)}…`;
  return Buffer.from(cut).toString();
}
