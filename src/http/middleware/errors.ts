import type { ErrorRequestHandler, RequestHandler } from 'express';
import { AppError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { asAppError, ClientGone } from '../problem.ts';
import { sendProblem } from '../respond.ts';
import type { RequestState } from '../routes/route.ts';

/** Answers every error as problem details; logs those that are the server's fault. */
export function errorHandler(
  logger: Logger,
): ErrorRequestHandler<Record<string, string>, unknown, unknown, unknown, RequestState> {
  return (thrown: unknown, request, response, _next) => {
    // Nobody is left to be told.
    if (thrown instanceof ClientGone || response.destroyed) return;
    const error = asAppError(thrown);
    const { requestId } = response.locals;
    if (error.status >= 500) {
      const level = error.code === 'internal' ? 'error' : 'warn';
      logger[level]({ requestId, code: error.code, err: error.cause ?? error }, error.message);
    }
    if (response.headersSent) response.destroy();
    else sendProblem(request, response, error, requestId);
  };
}

/** What is asked where no route is. */
export const routeNotFound: RequestHandler = (request) => {
  throw new AppError('route_not_found', `There is nothing at ${request.path}; /openapi.yaml lists what there is.`);
};

/** What is asked of a route in a method it does not have. @param allowed as for the header `Allow` */
export function methodNotAllowed(allowed: string): RequestHandler {
  return (request, response) => {
    response.setHeader('Allow', allowed);
    throw new AppError('method_not_allowed', `${request.path} takes ${allowed}, not ${request.method}.`, {
      context: { allowed: allowed.split(', ') },
    });
  };
}
