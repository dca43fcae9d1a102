import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../errors.ts';
import type { HttpLimits } from './dependencies.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** A head arrives in one piece or two: who takes longer is broken or holds connections open on purpose. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that have run out of time. */
const CHECK_INTERVAL_MS = 1_000;
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
      requestTimeout: limits.requestTimeoutMs + REQUEST_TIMEOUT_MARGIN_MS,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.requestTimeoutMs),
    },
    listener,
  );
  const inFlight = new Map<Duplex, ServerResponse>();
  server.on('request', ({ socket }, response) => {
    inFlight.set(socket, response);
    response.once('close', () => inFlight.delete(socket));
  });
  // A client that asks first whether its body is welcome is refused before it sends a byte.
  server.on('checkContinue', (request, response) => {
    if (Number(request.headers['content-length'] ?? 0) <= limits.maxBodyBytes) response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('clientError', (error, socket) => {
    // Where an answer has begun, another one behind it would only confuse.
    if (inFlight.get(socket)?.headersSent) socket.destroy();
    else answerClientError(error, socket);
  });
  return { server, drain: (graceMs) => drain(server, inFlight, graceMs) };
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
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new AppError('request_timeout', 'The request did not arrive whole in time; send it faster or smaller.')
      : code === 'HPE_HEADER_OVERFLOW'
        ? new AppError('headers_too_large', 'The head of the request is too large; send fewer or shorter headers.')
        : new AppError('malformed_request', `This is no HTTP that can be read (${message}).`);
  return { status: error.status, body: JSON.stringify(problemOf(error, randomUUID())) };
}
