import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RequestHandler, Response } from 'express';
import expressStaticGzip from 'express-static-gzip';
import type { Config } from '../../config.ts';
import { OFFLINE_PAGE_POLICY, PAGE_POLICY, SERVICE_WORKER_POLICY } from '../middleware/security-headers.ts';
import { sendJson } from '../respond.ts';
import { DOCS, OPENAPI } from './docs.ts';
import type { Route } from './route.ts';

interface PageDependencies {
  /** Folder of the built page; it is missing where the page was not built. */
  readonly webDir: string;
  readonly version: string;
  readonly config: Pick<Config, 'basePath'>;
}

/** `/`: the page for browsers, or the documentation where the page is not built; links for programs. */
export function pageRoutes({ webDir, version, config: { basePath } }: PageDependencies): Route[] {
  const links = {
    docs: basePath + DOCS,
    openapi: basePath + OPENAPI,
    classify: `${basePath}/classify`,
    finetune: `${basePath}/finetune`,
    jobs: `${basePath}/jobs`,
    models: `${basePath}/models`,
    metrics: `${basePath}/metrics`,
  };
  return [
    {
      method: 'get',
      path: '/',
      handle: (request, response) => {
        response.vary('Accept');
        if (request.accepts(['json', 'html']) !== 'html') {
          sendJson(response, 200, { name: 'menagerie', version, links });
        } else if (!existsSync(join(webDir, 'index.html'))) response.redirect(302, basePath + DOCS);
        else {
          sendPageFile(response, webDir, { file: 'index.html', policy: PAGE_POLICY });
        }
      },
    },
  ];
}

interface PageFile {
  readonly file: string;
  /** What the browser may load for it. */
  readonly policy?: string;
}

/** The page that works offline, at the address that is the scope of its service worker, and what belongs to it. */
const OFFLINE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ['/edge', { file: 'edge.html', policy: OFFLINE_PAGE_POLICY }],
  ['/edge-worker.js', { file: 'edge-worker.js', policy: SERVICE_WORKER_POLICY }],
  ['/edge.webmanifest', { file: 'edge.webmanifest' }],
]);

/** The page for one screen that works offline. Its addresses are exact: relative ones in it count from `/`. */
export function offlinePage(webDir: string): RequestHandler {
  return (request, response, next) => {
    const found = OFFLINE_FILES.get(request.path);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (found === undefined || !isRead || !existsSync(join(webDir, found.file))) next();
    else sendPageFile(response, webDir, found);
  };
}

/** Sends a file that names those of one build: browsers ask for it every time, and get 304 while it is unchanged. */
function sendPageFile(response: Response, webDir: string, { file, policy }: PageFile): void {
  if (policy !== undefined) response.setHeader('Content-Security-Policy', policy);
  response.setHeader('Permissions-Policy', 'camera=(self), microphone=(), geolocation=()');
  response.setHeader('Cache-Control', 'no-cache');
  response.sendFile(file, { root: webDir, cacheControl: false });
}

/**
 * Scripts and styles of the page, as `scripts/build.mjs` has compressed them where the client accepts that. Their
 * names contain their digests, so that browsers may cache them for ever.
 */
export function pageAssets(webDir: string): RequestHandler {
  const files = expressStaticGzip(join(webDir, 'assets'), {
    enableBrotli: true,
    orderPreference: ['br', 'gzip'],
    index: false,
    serveStatic: {
      redirect: false,
      setHeaders: (response) => response.setHeader('Cache-Control', 'public, max-age=31536000, immutable'),
    },
  });
  return (request, response, next) => {
    // Otherwise a broken escape is answered in plain text. @throws URIError
    decodeURIComponent(request.path);
    files(request, response, next);
  };
}
