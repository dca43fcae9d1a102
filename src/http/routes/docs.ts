import type { Request, RequestHandler } from 'express';
import swaggerUi from 'swagger-ui-express';
import type { Config } from '../../config.ts';
import { DOCUMENT_POLICY } from '../middleware/security-headers.ts';
import { send } from '../respond.ts';
import type { Route } from './route.ts';

export const DOCS = '/docs';
export const OPENAPI = '/openapi.yaml';

/** The server in `openapi.yaml`. */
const SERVER_URL = /^( *- url: )\/$/m;
/** The URL in the commands of `openapi.yaml`. */
const EXAMPLE_URL = 'http://127.0.0.1:8080';
/** A name or address with a port. What else a `Host` header may hold does not belong into a document. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/i;

interface DocsDependencies {
  /** Text of `openapi.yaml`. */
  readonly openapi: string;
  readonly config: Pick<Config, 'basePath'>;
}

/** `openapi.yaml` with the address that the client uses in its commands, and Swagger UI that shows it. */
export function docsRoutes({ openapi, config: { basePath } }: DocsDependencies): Route[] {
  const description = basePath === '' ? openapi : openapi.replace(SERVER_URL, `$1${basePath}`);
  // Clients of HTTP/1.0 may send no host.
  const originOf = ({ protocol, host }: Request) => (HOST.test(host ?? '') ? `${protocol}://${host}` : EXAMPLE_URL);
  const page = swaggerUi
    .generateHTML(undefined, {
      swaggerUrl: basePath + OPENAPI,
      customSiteTitle: 'Menagerie',
      // Without `validatorUrl: null` the page asks an outside server to validate the document.
      swaggerOptions: { validatorUrl: null, displayRequestDuration: true, tryItOutEnabled: true },
    })
    // Absolute, so that the files are found with and without a slash at the end of the page's address.
    .replaceAll('"./', `"${basePath}${DOCS}/`);
  return [
    {
      method: 'get',
      path: OPENAPI,
      handle: (request, response) => {
        const text = description.replaceAll(EXAMPLE_URL, originOf(request) + basePath);
        send(response, 'application/yaml; charset=utf-8', text);
      },
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

/** Scripts and styles of Swagger UI, to be mounted under `path`. */
export const docsAssets: { readonly path: string; readonly handlers: readonly RequestHandler[] } = {
  path: DOCS,
  handlers: swaggerUi.serveWithOptions({ redirect: false, fallthrough: true }),
};
