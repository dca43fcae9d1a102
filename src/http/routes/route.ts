import type { Express, Request, RequestHandler, Response } from 'express';
import { AppError } from '../../common/errors.ts';
import { methodNotAllowed } from '../middleware/errors.ts';
import type { RequestState } from '../middleware/request-state.ts';

/** One operation of `openapi.yaml`. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As in `openapi.yaml`: `/models/{id}`. */
  readonly path: string;
  readonly handle: (request: Request, response: Response<unknown, RequestState>) => void | Promise<void>;
  /** Answered while the server shuts down. */
  readonly whileShuttingDown?: true;
}

/** Value of the parameter `{name}` in the path of a request. */
export function pathParameter({ params }: Request, name: string): string {
  return String(params[name]);
}

/**
 * Serves routes. Other methods of their paths get `method_not_allowed`; while shutting down, work gets
 * `shutting_down`.
 */
export function mountRoutes(app: Express, routes: readonly Route[], isShuttingDown: () => boolean): void {
  const paths = new Map<string, Route[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  for (const [path, operations] of paths) {
    const mounted = app.route(path.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1'));
    mounted.all((_request, response, next) => {
      response.locals['route'] = path;
      next();
    });
    for (const route of operations) mounted[route.method](handlerOf(route, isShuttingDown));
    const methods = operations.map(({ method }) => method.toUpperCase());
    mounted.all(methodNotAllowed([...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')));
  }
}

function handlerOf({ handle, whileShuttingDown }: Route, isShuttingDown: () => boolean): RequestHandler {
  return (request, response) => {
    if (!whileShuttingDown && isShuttingDown()) {
      response.setHeader('Connection', 'close');
      throw new AppError('shutting_down', 'The server is shutting down and takes no new requests; try again shortly.');
    }
    return handle(request, response as Parameters<typeof handle>[1]);
  };
}
