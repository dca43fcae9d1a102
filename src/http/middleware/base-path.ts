import type { RequestHandler } from 'express';

/**
 * Takes the prefix of `BASE_PATH` off the paths of requests. Paths without it are served too: a proxy may take the
 * prefix off itself, and probes come past the proxy. `/zoo` leads to `/zoo/`, since the page's links are relative.
 * @param basePath empty, or as `/zoo`
 */
export function stripBasePath(basePath: string): RequestHandler {
  return (request, response, next) => {
    if (basePath !== '' && request.url.startsWith(basePath)) {
      const rest = request.url.slice(basePath.length);
      if (rest === '' || rest.startsWith('?')) return response.redirect(308, `${basePath}/${rest}`);
      if (rest.startsWith('/')) request.url = rest;
    }
    next();
  };
}
