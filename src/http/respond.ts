import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppError } from '../common/errors.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** A client that still sends when it is refused is given this many milliseconds, and bytes, to read its answer. */
const LINGER_MS = 30_000;
const LINGER_BYTES = 256 * 1024 * 1024;
/** Milliseconds without any more data after which such a client is given up. */
const LINGER_IDLE_MS = 5_000;

/** `Retry-After`, in seconds, of 429 and 503 where the error has none. */
const DEFAULT_RETRY_AFTER_S = 1;

/** Sends JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  send(response, 'application/json; charset=utf-8', JSON.stringify(body));
}

/** Sends text or bytes of a media type. */
export function send(response: ServerResponse, type: string, content: string | Uint8Array): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(content));
  response.end(content);
}

/** Rounds milliseconds to hundredths. */
export function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}

/** What a request is called in the log. */
interface RequestIds {
  readonly requestId: string;
  readonly traceId?: string;
}

/**
 * Sends an error as problem details. Where the body of the request is still arriving, the answer is sent at once, the
 * rest of the body is discarded, and then the connection is closed: closing it earlier would reset it, and the client
 * would see that instead of the answer.
 */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  error: AppError,
  ids: RequestIds,
): void {
  const { requestId, traceId } = ids;
  const problem = { ...problemOf(error, requestId), ...(traceId && { trace_id: traceId }) };
  // Clients of the Open Inference Protocol read the member `error` alone.
  const text = JSON.stringify(/^\/v[12]\//.test(request.url ?? '') ? { ...problem, error: problem.detail } : problem);
  response.statusCode = error.status;
  if (error.status === 429 || error.status === 503) {
    response.setHeader('Retry-After', error.retryAfter ?? DEFAULT_RETRY_AFTER_S);
  }
  if (!hasUnreadBody(request)) {
    send(response, PROBLEM_TYPE, text);
    return;
  }
  response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', PROBLEM_TYPE);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  // The client has the whole answer, by its length. To end the response would close the connection.
  response.write(text);
  discardBody(request, () => response.end());
}

function hasUnreadBody({ headers, complete }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);
}

/** Discards what still arrives of a body. @param done called once, when it has ended or exceeds the limits above */
function discardBody(request: IncomingMessage, done: () => void): void {
  let discarded = 0;
  const finish = (): void => {
    clearTimeout(deadline);
    clearTimeout(idle);
    request.off('data', count);
    for (const event of ['end', 'close', 'error'] as const) request.off(event, finish);
    done();
  };
  const count = (chunk: Buffer): void => {
    discarded += chunk.length;
    idle.refresh();
    if (discarded > LINGER_BYTES) finish();
  };
  const deadline = setTimeout(finish, LINGER_MS);
  const idle = setTimeout(finish, LINGER_IDLE_MS);
  for (const event of ['end', 'close', 'error'] as const) request.on(event, finish);
  request.unpipe();
  request.on('data', count);
}
