import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../common/errors.ts';
import type { Config } from '../config.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** Headers arrive in one packet or two; slower clients are broken or hold connections open on purpose. */
const HEADERS_TIMEOUT_MS = 10_000;
/**
 * Longer than clients and proxies keep idle connections. Where the server closes one first, a request that is on its
 * way is reset: with Node's five seconds, 11 of 1,500 requests of 500 busy clients.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** How often Node looks for requests that have exceeded a timeout. */
const CHECK_INTERVAL_MS = 1_000;
/** Node's code of a request that has exceeded its timeout. */
const REQUEST_TIMEOUT_CODE = 'ERR_HTTP_REQUEST_TIMEOUT';
/** Node's timeout lies beyond those of the routes, which answer with more detail. */
const REQUEST_TIMEOUT_MARGIN_MS = 5_000;
/** Milliseconds in which a client that has sent no valid HTTP can read why, while what it still sends is discarded. */
const REFUSED_LINGER_MS = 5_000;

/** An HTTP server that shuts down gracefully. */
export interface HttpServer {
  /** Not listening yet. */
  readonly server: Server;
  /**
   * Stops accepting connections, and closes each open one when its request is answered.
   * @param graceMs milliseconds after which all connections are closed
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Creates a server for `listener` with limits on time and size. Requests that are no valid HTTP get problem details
 * too.
 */
export function createHttpServer(
  listener: RequestListener,
  {
    requestTimeoutMs,
    uploadTimeoutMs,
    stallTimeoutMs,
  }: Pick<Config, 'requestTimeoutMs' | 'uploadTimeoutMs' | 'stallTimeoutMs'>,
): HttpServer {
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      requestTimeout: Math.max(requestTimeoutMs, uploadTimeoutMs) + REQUEST_TIMEOUT_MARGIN_MS,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, requestTimeoutMs),
    },
    listener,
  );
  const inFlight = new Map<Duplex, ServerResponse>();
  server.on('request', (request, response) => {
    const { socket } = request;
    inFlight.set(socket, response);
    response.once('close', () => inFlight.delete(socket));
    response.once('finish', () => closeUnlessComplete(request, requestTimeoutMs));
    closeWhenUnread(response, socket, stallTimeoutMs);
  });
  // The reader of the body sends `100 Continue`, once the request is known to be welcome. Other expectations are
  // ignored.
  for (const event of ['checkContinue', 'checkExpectation'] as const) {
    server.on(event, (request, response) => void server.emit('request', request, response));
  }
  const refused = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What a refused client continues to send is not valid HTTP either. Closing the connection at once would reset
    // it, and the client would see that instead of the answer.
    if (refused.has(socket) && error.code !== 'ECONNRESET') return;
    refused.add(socket);
    // A second answer after the beginning of the first would only confuse.
    if (inFlight.get(socket)?.headersSent) socket.destroy();
    else answerClientError(error, socket);
  });
  return { server, drain: (graceMs) => drain(server, inFlight, graceMs) };
}

/** Closes the connection of a request that is answered, if its body, which no route reads, does not arrive in time. */
function closeUnlessComplete(request: IncomingMessage, timeoutMs: number): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.socket.destroy(), timeoutMs);
  timer.unref();
  for (const event of ['end', 'close'] as const) request.once(event, () => clearTimeout(timer));
}

/**
 * Closes the connection of a client that does not read its answer: none of what waits to be sent was taken for
 * `timeoutMs`. It would hold the answer, and what is reserved for the request, for ever.
 */
function closeWhenUnread(response: ServerResponse, socket: Socket, timeoutMs: number): void {
  response.setTimeout(timeoutMs, () => {
    if (socket.writableLength > 0) socket.destroy();
    // Nothing waits to be sent: the server is computing.
    else socket.setTimeout(timeoutMs);
  });
}

async function drain(server: Server, inFlight: ReadonlyMap<Duplex, ServerResponse>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const response of inFlight.values()) if (!response.headersSent) response.setHeader('Connection', 'close');
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

/** Answers errors of the HTTP parser, and timeouts of requests that have no response yet. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, body } = clientErrorOf(error);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

function clientErrorOf({ code, message }: NodeJS.ErrnoException): { status: number; body: string } {
  const error =
    code === REQUEST_TIMEOUT_CODE
      ? new AppError('request_timeout', 'The request did not arrive in time; send it faster or smaller.')
      : code === 'HPE_HEADER_OVERFLOW'
        ? new AppError('headers_too_large', 'The headers of the request are too large; send fewer or shorter ones.')
        : new AppError('malformed_request', `The request is not valid HTTP (${message}).`);
  return { status: error.status, body: JSON.stringify(problemOf(error, randomUUID())) };
}
