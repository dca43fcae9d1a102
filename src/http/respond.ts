import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppError } from '../common/errors.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** Milliseconds that a client which is still sending gets to read its answer before the connection is cut. */
const LINGER_MS = 2_000;

/** Seconds to wait that are named with 429 and 503 where the error knows no better. */
const DEFAULT_RETRY_AFTER = 1;

/** Sends JSON; nothing here is worth a cache. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  send(response, 'application/json; charset=utf-8', JSON.stringify(body));
}

/** Sends a text, or the bytes of a picture, of the given media type. */
export function send(response: ServerResponse, type: string, content: string | Uint8Array): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(content));
  response.end(content);
}

/** Milliseconds as answers show them. */
export function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}

/**
 * Sends an error as problem details. If the body of the request has not been read, the answer goes out at once and the
 * connection is closed: what still arrives is thrown away for a moment, since closing over unread data resets the
 * connection, and the client would see that instead of the answer.
 */
export function sendProblem(request: IncomingMessage, response: ServerResponse, error: AppError, id: string): void {
  const problem = problemOf(error, id);
  // Clients of the Open Inference Protocol read nothing else of an error.
  const text = JSON.stringify(request.url?.startsWith('/v2') ? { ...problem, error: problem.detail } : problem);
  response.statusCode = error.status;
  if (error.status === 429 || error.status === 503) {
    response.setHeader('Retry-After', error.retryAfter ?? DEFAULT_RETRY_AFTER);
  }
  if (!hasUnreadBody(request)) {
    send(response, PROBLEM_TYPE, text);
    return;
  }
  response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', PROBLEM_TYPE);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  // Complete for the client, by its length; ending it would close the connection.
  response.write(text);
  request.unpipe();
  request.resume();
  const timer = setTimeout(() => response.end(), LINGER_MS);
  for (const event of ['end', 'close', 'error'] as const) {
    request.once(event, () => {
      clearTimeout(timer);
      response.end();
    });
  }
}

function hasUnreadBody({ headers, complete }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);
}
