import express, { type Express, type RequestHandler } from 'express';
import type { RateLimit } from '../access/rate-limit.ts';
import type { Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Tracing } from '../metrics/tracing.ts';
import { createAuthorization } from './access/authorize.ts';
import { stripBasePath } from './middleware/base-path.ts';
import { compress } from './middleware/compress.ts';
import { crossOrigin } from './middleware/cross-origin.ts';
import { errorHandler, routeNotFound } from './middleware/errors.ts';
import { checkHost } from './middleware/host.ts';
import { requestState } from './middleware/request-state.ts';
import { DOCUMENT_POLICY, securityHeaders } from './middleware/security-headers.ts';
import { classifyRoutes } from './routes/classify.ts';
import { docsAssets, docsRoutes } from './routes/docs.ts';
import { explainRoutes } from './routes/explain.ts';
import { finetuneRoutes } from './routes/finetune.ts';
import { inferenceRoutes } from './routes/inference.ts';
import { jobRoutes } from './routes/jobs.ts';
import { labelRoutes } from './routes/labels.ts';
import { modelChangeRoutes } from './routes/model-changes.ts';
import { modelRoutes } from './routes/models.ts';
import { operationsRoutes } from './routes/operations.ts';
import { offlinePage, pageAssets, pageRoutes } from './routes/page.ts';
import { predictionRoutes } from './routes/prediction.ts';
import { pullRoutes } from './routes/pulls.ts';
import { quantizeRoutes } from './routes/quantize.ts';
import { repositoryRoutes } from './routes/repository.ts';
import { mountRoutes, type Route } from './routes/route.ts';
import { sessionRoutes } from './routes/session.ts';

/** The routes of the interface. Each declares the dependencies that it needs as its parameter. */
const ROUTES = [
  classifyRoutes,
  explainRoutes,
  finetuneRoutes,
  jobRoutes,
  modelRoutes,
  modelChangeRoutes,
  labelRoutes,
  inferenceRoutes,
  predictionRoutes,
  repositoryRoutes,
  pullRoutes,
  quantizeRoutes,
  operationsRoutes,
  sessionRoutes,
  pageRoutes,
  docsRoutes,
];

/** Dependencies of all routes: the intersection of their parameters. */
type RouteDependencies = (typeof ROUTES)[number] extends (dependencies: infer All) => Route[] ? All : never;

/** Dependencies of the HTTP interface. */
export type HttpDependencies = RouteDependencies & {
  readonly config: Pick<Config, 'host' | 'allowedHosts' | 'allowedOrigins' | 'basePath' | 'trustProxy'>;
  /** Counts the requests of each client. */
  readonly rateLimit: Pick<RateLimit, 'count'>;
  readonly metrics: Metrics;
  /** Absent when no traces are wanted. */
  readonly tracing?: Pick<Tracing, 'startRequest'> | undefined;
  readonly logger: Logger;
};

/** Every operation of the interface. A contract test compares them with `openapi.yaml`, both ways. */
export function createRoutes(dependencies: HttpDependencies): Route[] {
  return ROUTES.flatMap((routes) => routes(dependencies));
}

/** The HTTP interface as an Express application; `createHttpServer` serves it. */
export function createApp(dependencies: HttpDependencies): Express {
  const { config, logger, metrics, tracing, isShuttingDown, webDir } = dependencies;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Express then takes the address of the client from as many entries of X-Forwarded-For.
  app.set('trust proxy', config.trustProxy);
  app.use(stripBasePath(config.basePath), requestState(logger, metrics, tracing), securityHeaders);
  app.use(checkHost(config), crossOrigin(config), compress);
  mountRoutes(app, createRoutes(dependencies), { authorize: createAuthorization(dependencies), isShuttingDown });
  app.use(offlinePage(webDir));
  app.use('/assets', pageAssets(webDir));
  app.use(docsAssets.path, docsHeaders, ...docsAssets.handlers);
  app.use(routeNotFound, errorHandler(logger));
  return app;
}

/** The files of the documentation change only with the server: a browser may cache them. */
const docsHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('Content-Security-Policy', DOCUMENT_POLICY);
  response.setHeader('Cache-Control', 'public, max-age=3600');
  next();
};
