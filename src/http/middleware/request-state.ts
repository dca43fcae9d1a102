import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Logger } from '../../common/logger.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import type { RequestState } from '../routes/route.ts';

/** An id that a proxy or client may give: safe in a header and in a log. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The status that log and metrics show where the client hung up before its answer. */
const CLIENT_GONE = 499;

/** Asked every few seconds by machines: not worth a line each. */
const QUIET = new Set(['/v2/health/live', '/v2/health/ready', '/metrics']);

/**
 * Gives each request its id (the caller's own `X-Request-Id` if it has one), and when it is over a line in the log and
 * its place in the metrics. Neither bodies nor queries nor headers are logged.
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
      const status = response.writableFinished ? response.statusCode : CLIENT_GONE;
      const ms = performance.now() - startedAt;
      metrics.observeRequest({ route: route ?? 'none', method, status }, ms / 1_000);
      const level = route !== undefined && QUIET.has(route) ? 'debug' : 'info';
      logger[level]({ requestId, method, path: request.path, status, ms: Math.round(ms * 100) / 100 }, 'request');
    });
    next();
  };
}
