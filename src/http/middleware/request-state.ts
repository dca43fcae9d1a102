import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { JsonObject } from '../../common/json.ts';
import type { Logger } from '../../common/logger.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import type { Client } from '../access/access.ts';

/** State of one request, in `response.locals`. */
export interface RequestState extends Record<string, unknown> {
  readonly requestId: string;
  /** `performance.now()` when the headers had arrived. */
  readonly startedAt: number;
  /** Path of the route as in `openapi.yaml`; unset for paths without a route. */
  route?: string;
  /** Who sent it; unset for routes that are open to everybody. */
  client?: Client;
  /** What a change is about beyond its path, for the audit line. */
  subject?: JsonObject;
}

/** Request ids that are taken from clients: safe in a header and in a log. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Status in log and metrics of a request whose client closed the connection before the answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** Routes that machines poll every few seconds. They are logged at level debug. */
const POLLED = new Set(['/v2/health/live', '/v2/health/ready', '/metrics']);

/**
 * Gives each request its id (the client's own `X-Request-Id` where that is valid), and writes a line to the log and
 * counts it in the metrics when it is over. Bodies, queries and headers are not logged.
 */
export function requestState(
  logger: Logger,
  metrics: Pick<Metrics, 'observeRequest'>,
): RequestHandler<Record<string, string>, unknown, unknown, unknown, RequestState> {
  return (request, response, next) => {
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    const startedAt = performance.now();
    response.locals = { requestId, startedAt };
    response.setHeader('X-Request-Id', requestId);
    response.once('close', () => {
      const { method } = request;
      const { route } = response.locals;
      const status = response.writableFinished ? response.statusCode : CLIENT_CLOSED_REQUEST;
      const ms = performance.now() - startedAt;
      metrics.observeRequest({ route: route ?? 'none', method, status }, ms / 1_000);
      const level = route !== undefined && POLLED.has(route) ? 'debug' : 'info';
      logger[level]({ requestId, method, path: request.path, status, ms: Math.round(ms * 100) / 100 }, 'request');
    });
    next();
  };
}
