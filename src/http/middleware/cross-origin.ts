import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { AppError } from '../../common/errors.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses requests that a browser sends for a page of another origin: a form there could otherwise make a local server
 * train or forget models. Programs that are no browser send neither `Sec-Fetch-Site` nor `Origin` and pass.
 */
export const refuseCrossOrigin: RequestHandler = (request, _response, next) => {
  if (SAFE_METHODS.has(request.method) || !isCrossOrigin(request)) return next();
  throw new AppError(
    'cross_origin',
    `A page of another origin asked for ${request.method} ${request.path}; use the pages of this server, or a program.`,
  );
};

function isCrossOrigin({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  // `none`: the person asked for it, by the address bar or a bookmark.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}
