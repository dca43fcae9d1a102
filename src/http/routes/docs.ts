import type { RequestHandler } from 'express';
import swaggerUi from 'swagger-ui-express';
import type { HttpDependencies } from '../dependencies.ts';
import { DOCUMENT_POLICY } from '../middleware/security-headers.ts';
import { send } from '../respond.ts';
import type { Route } from './route.ts';

export const DOCS = '/docs';
export const OPENAPI = '/openapi.yaml';

/** The description of the interface and the page that shows it. */
export function docsRoutes({ openapi }: Pick<HttpDependencies, 'openapi'>): Route[] {
  const page = swaggerUi
    .generateHTML(undefined, {
      swaggerUrl: OPENAPI,
      customSiteTitle: 'Menagerie',
      // No badge of an outside validator; requests of "Try it out" show how long they took.
      swaggerOptions: { validatorUrl: null, displayRequestDuration: true, tryItOutEnabled: true },
    })
    // The page's own files, whether or not the address ends in a slash.
    .replaceAll('"./', `"${DOCS}/`);
  return [
    {
      method: 'get',
      path: OPENAPI,
      handle: (_request, response) => send(response, 'application/yaml; charset=utf-8', openapi),
    },
    {
      method: 'get',
      path: DOCS,
      handle: (_request, response) => {
        response.setHeader('Content-Security-Policy', DOCUMENT_POLICY);
        send(response, 'text/html; charset=utf-8', page);
      },
    },
  ];
}

/** Scripts and styles of the page, to be mounted under its path. */
export const docsAssets: { readonly path: string; readonly handlers: readonly RequestHandler[] } = {
  path: DOCS,
  handlers: swaggerUi.serveWithOptions({ redirect: false, fallthrough: true }),
};
