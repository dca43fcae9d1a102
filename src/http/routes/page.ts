import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RequestHandler } from 'express';
import expressStaticGzip from 'express-static-gzip';
import type { Config } from '../../config.ts';
import { PAGE_POLICY } from '../middleware/security-headers.ts';
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
          response.setHeader('Content-Security-Policy', PAGE_POLICY);
          response.setHeader('Permissions-Policy', 'camera=(self), microphone=(), geolocation=()');
          // It names the files of one build: browsers ask for it every time, and get 304 while it is unchanged.
          response.setHeader('Cache-Control', 'no-cache');
          response.sendFile('index.html', { root: webDir, cacheControl: false });
        }
      },
    },
  ];
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
