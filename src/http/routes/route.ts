import type { Express, Request, RequestHandler, Response } from 'express';
import { AppError } from '../../common/errors.ts';
import type { Authorize } from '../access/authorize.ts';
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

/** What every route is asked before it is handled. */
export interface RouteGuards {
  /** Creates the check of a route, which throws what refuses a request. */
  readonly authorize: (route: Route) => Authorize;
  readonly isShuttingDown: () => boolean;
}

/**
 * Serves routes. Other methods of their paths get `method_not_allowed`; while shutting down, work gets
 * `shutting_down`.
 */
export function mountRoutes(app: Express, routes: readonly Route[], guards: RouteGuards): void {
  const paths = new Map<string, Route[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  for (const [path, operations] of paths) {
    const mounted = app.route(path.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1'));
    mounted.all((_request, response, next) => {
      response.locals['route'] = path;
      next();
    });
    for (const route of operations) mounted[route.method](handlerOf(route, guards));
    const methods = operations.map(({ method }) => method.toUpperCase());
    mounted.all(methodNotAllowed([...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')));
  }
}

function handlerOf(route: Route, { authorize, isShuttingDown }: RouteGuards): RequestHandler {
  const { handle, whileShuttingDown } = route;
  const check = authorize(route);
  return (request, response) => {
    check(request, response as Parameters<typeof handle>[1]);
    if (!whileShuttingDown && isShuttingDown()) {
      response.setHeader('Connection', 'close');
      throw new AppError('shutting_down', 'The server is shutting down and takes no new requests; try again shortly.');
    }
    return handle(request, response as Parameters<typeof handle>[1]);
  };
}
