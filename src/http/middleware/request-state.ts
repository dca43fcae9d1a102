import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';
import type { Client } from '../../access/access.ts';
import type { JsonObject } from '../../common/json.ts';
import type { Logger } from '../../common/logger.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { childOf, formatTraceparent, parseTraceparent } from '../../metrics/trace-context.ts';
import type { Tracing } from '../../metrics/tracing.ts';
import { clientAddress } from '../client-address.ts';

/** State of one request, in `response.locals`. */
export interface RequestState extends Record<string, unknown> {
  readonly requestId: string;
  /** `performance.now()` when the headers had arrived. */
  readonly startedAt: number;
  /** The caller's trace, or that of our own span. */
  readonly traceId?: string;
  /** Path of the route as in `openapi.yaml`; unset for paths without a route. */
  route?: string;
  /** Who sent it; unset for routes that are open to everybody. */
  client?: Client;
  /** What a change is about beyond its path, for the audit line. */
  subject?: JsonObject;
  /** Bytes of the body that have arrived. */
  receivedBytes?: number;
  /** The model that was asked, as `name@version` once that is known. */
  model?: string;
  images?: number;
}

/** Request ids that are taken from clients: safe in a header and in a log. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Status in log and metrics of a request whose client closed the connection before the answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** Routes that machines poll every few seconds. What becomes of them is logged at level debug. */
const POLLED = new Set(['/v2/health/live', '/v2/health/ready', '/metrics']);

/** Whether a request is one that machines repeat every few seconds. */
export function isPolled({ locals }: Response): boolean {
  return POLLED.has(String(locals['route']));
}

/** Notes what a request is about, for its line in the log. */
export function noteWork({ locals }: Response, work: Pick<RequestState, 'model' | 'images' | 'receivedBytes'>): void {
  Object.assign(locals, work);
}

/**
 * Gives each request its id (the client's own `X-Request-Id` where that is valid) and its place in the caller's trace
 * (`traceparent`), and writes a line to the log, counts it in the metrics and ends its span when it is over. Bodies,
 * queries and headers are not logged.
 */
export function requestState(
  logger: Logger,
  metrics: Pick<Metrics, 'observeRequest'>,
  tracing: Pick<Tracing, 'startRequest'> | undefined,
): RequestHandler<Record<string, string>, unknown, unknown, unknown, RequestState> {
  return (request, response, next) => {
    const { headers, method, socket } = request;
    const address = clientAddress(request);
    const given = headers['x-request-id'];
    const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    const startedAt = performance.now();
    const sentBefore = socket.bytesWritten;
    const span = tracing?.startRequest(method, headers);
    const caller = span === undefined ? parseTraceparent(headers['traceparent']) : undefined;
    const trace = span?.context ?? (caller && childOf(caller));
    response.locals = { requestId, startedAt, ...(trace && { traceId: trace.traceId }) };
    response.setHeader('X-Request-Id', requestId);
    if (trace !== undefined) response.setHeader('traceresponse', formatTraceparent(trace));
    response.once('close', () => {
      const { route, client, receivedBytes = 0, model, images, traceId } = response.locals;
      const status = response.writableFinished ? response.statusCode : CLIENT_CLOSED_REQUEST;
      const ms = performance.now() - startedAt;
      metrics.observeRequest({ route: route ?? 'none', method, status }, ms / 1_000);
      const line = {
        requestId,
        traceId,
        client: address,
        key: client?.kind === 'key' ? client.name : undefined,
        method,
        path: request.path,
        model,
        images,
        receivedBytes,
        sentBytes: socket.bytesWritten - sentBefore,
        status,
        ms: Math.round(ms * 100) / 100,
      };
      logger[isPolled(response) ? 'debug' : 'info'](line, 'request');
      span?.end({ route, status, requestId, client: address, model, images });
    });
    if (span === undefined) next();
    else span.run(next);
  };
}
