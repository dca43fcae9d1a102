import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../common/errors.ts';
import { bodyLimits } from './body-limits.ts';
import type { HttpLimits } from './dependencies.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** A head arrives in one piece or two: who takes longer is broken or holds connections open on purpose. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that have run out of time. */
const CHECK_INTERVAL_MS = 1_000;
/** Node's own, of the deadline that it keeps for all requests alike. */
const REQUEST_TIMEOUT_CODE = 'ERR_HTTP_REQUEST_TIMEOUT';
/** Beyond the deadline that the routes keep, for bodies that no route reads. */
const REQUEST_TIMEOUT_MARGIN_MS = 5_000;

/** An HTTP server that ends in good order. */
export interface HttpServer {
  /** Not listening yet. */
  readonly server: Server;
  /**
   * Takes no more connections, lets what is in flight be answered and closes each connection after it.
   * @param graceMs after which connections that are still open are cut
   */
  drain(graceMs: number): Promise<void>;
}

/** Serves `listener` under limits on time and size, and answers what is no HTTP with problem details too. */
export function createHttpServer(listener: RequestListener, limits: HttpLimits): HttpServer {
  const server = createServer(
    {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, limits.requestTimeoutMs),
      // Uploads may take this long; what goes elsewhere has its own clock below.
      requestTimeout: limits.uploadTimeoutMs + REQUEST_TIMEOUT_MARGIN_MS,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.requestTimeoutMs),
    },
    listener,
  );
  const inFlight = new Map<Duplex, ServerResponse>();
  const refuse = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    // Where an answer has begun, another one behind it would only confuse.
    if (inFlight.get(socket)?.headersSent) socket.destroy();
    else answerClientError(error, socket);
  };
  server.on('request', (request, response) => {
    const { socket } = request;
    inFlight.set(socket, response);
    response.once('close', () => inFlight.delete(socket));
    if (!request.complete) watchArrival(request, bodyLimits(request.url, limits).timeoutMs, refuse);
  });
  // A client that asks first whether its body is welcome is refused before it sends a byte.
  server.on('checkContinue', (request, response) => {
    const { maxBytes } = bodyLimits(request.url, limits);
    if (Number(request.headers['content-length'] ?? 0) <= maxBytes) response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('clientError', refuse);
  return { server, drain: (graceMs) => drain(server, inFlight, graceMs) };
}

/** Ends the connection of a request that has not arrived whole a moment after the deadline that its route keeps. */
function watchArrival(
  request: IncomingMessage,
  timeoutMs: number,
  refuse: (error: NodeJS.ErrnoException, socket: Duplex) => void,
): void {
  const timer = setTimeout(() => {
    const error: NodeJS.ErrnoException = new Error('the body did not arrive in time');
    error.code = REQUEST_TIMEOUT_CODE;
    if (!request.complete) refuse(error, request.socket);
  }, timeoutMs + REQUEST_TIMEOUT_MARGIN_MS);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
}

async function drain(server: Server, inFlight: ReadonlyMap<Duplex, ServerResponse>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const response of inFlight.values()) if (!response.headersSent) response.setHeader('Connection', 'close');
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

/** Errors of the parser and the clock, before there is a request to answer. */
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
}

function clientErrorOf({ code, message }: NodeJS.ErrnoException): { status: number; body: string } {
  const error =
    code === REQUEST_TIMEOUT_CODE
      ? new AppError('request_timeout', 'The request did not arrive whole in time; send it faster or smaller.')
      : code === 'HPE_HEADER_OVERFLOW'
        ? new AppError('headers_too_large', 'The head of the request is too large; send fewer or shorter headers.')
        : new AppError('malformed_request', `This is no HTTP that can be read (${message}).`);
  return { status: error.status, body: JSON.stringify(problemOf(error, randomUUID())) };
}
