import express, { type Express, type RequestHandler } from 'express';
import { AppError } from '../common/errors.ts';
import type { HttpDependencies } from './dependencies.ts';
import { refuseCrossOrigin } from './middleware/cross-origin.ts';
import { errorHandler, methodNotAllowed, routeNotFound } from './middleware/errors.ts';
import { requestState } from './middleware/request-state.ts';
import { DOCUMENT_POLICY, securityHeaders } from './middleware/security-headers.ts';
import { classifyRoutes } from './routes/classify.ts';
import { docsAssets, docsRoutes } from './routes/docs.ts';
import { explainRoutes } from './routes/explain.ts';
import { finetuneRoutes } from './routes/finetune.ts';
import { inferenceRoutes } from './routes/inference.ts';
import { jobRoutes } from './routes/jobs.ts';
import { modelChangeRoutes } from './routes/model-changes.ts';
import { modelRoutes } from './routes/models.ts';
import { operationsRoutes } from './routes/operations.ts';
import { pageAssets, pageRoutes } from './routes/page.ts';
import { pullRoutes } from './routes/pulls.ts';
import { repositoryRoutes } from './routes/repository.ts';
import type { Route } from './routes/route.ts';

/** Every operation of the interface. A contract test holds this table and `openapi.yaml` together, both ways. */
export function createRoutes(dependencies: HttpDependencies): Route[] {
  return [
    ...classifyRoutes(dependencies),
    ...explainRoutes(dependencies),
    ...finetuneRoutes(dependencies),
    ...jobRoutes(dependencies),
    ...modelRoutes(dependencies),
    ...modelChangeRoutes(dependencies),
    ...inferenceRoutes(dependencies),
    ...repositoryRoutes(dependencies),
    ...pullRoutes(dependencies),
    ...operationsRoutes(dependencies),
    ...pageRoutes(dependencies),
    ...docsRoutes(dependencies),
  ];
}

/** The HTTP interface over what answers its requests. It does not listen: `createHttpServer` does. */
export function createApp(dependencies: HttpDependencies): Express {
  const { logger, metrics, isShuttingDown } = dependencies;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(requestState(logger, metrics), securityHeaders, refuseCrossOrigin);
  for (const [path, routes] of byPath(createRoutes(dependencies))) mount(app, path, routes, isShuttingDown);
  app.use('/assets', pageAssets(dependencies.webDir));
  app.use(docsAssets.path, documentHeaders, ...docsAssets.handlers);
  app.use(routeNotFound, errorHandler(logger));
  return app;
}

function byPath(routes: readonly Route[]): Map<string, Route[]> {
  const paths = new Map<string, Route[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return paths;
}

function mount(app: Express, path: string, routes: readonly Route[], isShuttingDown: () => boolean): void {
  const mounted = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
  mounted.all((_request, response, next) => {
    response.locals['route'] = path;
    next();
  });
  for (const { method, handle, whileShuttingDown } of routes) {
    mounted[method]((request, response) => {
      if (!whileShuttingDown && isShuttingDown()) {
        response.setHeader('Connection', 'close');
        throw new AppError('shutting_down', 'The server takes no new requests; try again in a moment.');
      }
      return handle(request, response as Parameters<typeof handle>[1]);
    });
  }
  const methods = routes.map(({ method }) => method.toUpperCase());
  mounted.all(methodNotAllowed([...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')));
}

/** The docs' files change only with the server: a browser may keep them for a while. */
const documentHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('Content-Security-Policy', DOCUMENT_POLICY);
  response.setHeader('Cache-Control', 'public, max-age=3600');
  next();
};
