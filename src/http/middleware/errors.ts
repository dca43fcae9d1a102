import type { ErrorRequestHandler, RequestHandler } from 'express';
import { asAppError } from '../../common/as-app-error.ts';
import { AppError, type ErrorCode } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { ClientGone } from '../client-gone.ts';
import { sendProblem } from '../respond.ts';
import { isPolled, type RequestState } from './request-state.ts';

/** Values of `WWW-Authenticate` (RFC 6750, 3). */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  key_missing: 'Bearer realm="menagerie"',
  key_invalid: 'Bearer realm="menagerie", error="invalid_token"',
  scope_missing: 'Bearer realm="menagerie", error="insufficient_scope"',
};

/**
 * Answers errors as problem details. Those with status 500 and above are logged; health checks ask so often that a
 * server which is not ready would fill the log.
 */
export function errorHandler(
  logger: Logger,
): ErrorRequestHandler<Record<string, string>, unknown, unknown, unknown, RequestState> {
  return (thrown: unknown, request, response, _next) => {
    if (thrown instanceof ClientGone || response.destroyed) return;
    const error = thrown instanceof URIError ? brokenEscape() : asAppError(thrown);
    const { requestId, traceId } = response.locals;
    if (error.status >= 500) {
      const level = error.code === 'internal' ? 'error' : isPolled(response) ? 'debug' : 'warn';
      logger[level]({ requestId, traceId, code: error.code, err: error.cause ?? error }, error.message);
    }
    if (response.headersSent) return void response.destroy();
    const challenge = CHALLENGES[error.code];
    if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge);
    sendProblem(request, response, error, { requestId, ...(traceId && { traceId }) });
  };
}

function brokenEscape(): AppError {
  return new AppError('invalid_request', 'The path contains a broken percent escape; write "%" as "%25".');
}

/** Answers requests whose path has no route. */
export const routeNotFound: RequestHandler = (request) => {
  throw new AppError('route_not_found', `There is no route ${request.path}; /openapi.yaml lists all routes.`);
};

/** Answers requests whose method the route does not have. @param allowed value of the header `Allow` */
export function methodNotAllowed(allowed: string): RequestHandler {
  return (request, response) => {
    response.setHeader('Allow', allowed);
    throw new AppError('method_not_allowed', `${request.path} takes ${allowed}, not ${request.method}.`, {
      context: { allowed: allowed.split(', ') },
    });
  };
}
