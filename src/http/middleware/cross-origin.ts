import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { listOf } from '../../access/host-names.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import { firstOf } from './host.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What pages of `ALLOWED_ORIGINS` may send and read, beyond what browsers always allow. */
const METHODS = 'GET, HEAD, POST, PUT, DELETE';
const SENT_HEADERS =
  'Authorization, Content-Encoding, Content-Type, Idempotency-Key, Inference-Header-Content-Length, Last-Event-ID, ' +
  'traceparent, tracestate, X-API-Key, X-Request-Id';
const READ_HEADERS =
  'Allow, Content-Disposition, Inference-Header-Content-Length, Location, Retry-After, WWW-Authenticate, X-Request-Id';
/** Seconds for which a browser may keep the answer to a preflight: the most that Chromium keeps it. */
const PREFLIGHT_MAX_AGE_S = 7_200;

type CrossOriginSettings = Pick<Config, 'allowedHosts' | 'allowedOrigins' | 'trustProxy'>;

/**
 * Lets pages of `ALLOWED_ORIGINS` use this server (CORS), and refuses those of other origins: a form there could
 * otherwise make a local server train or remove models. A refused page can read why, unless its browser asked first
 * by a preflight. Programs that are not browsers send neither `Sec-Fetch-Site` nor `Origin`, and pass.
 *
 * `Access-Control-Allow-Credentials` is never sent: pages of other origins send a key in a header, and cookies are for
 * the page of this server.
 */
export function crossOrigin(settings: CrossOriginSettings): RequestHandler {
  const isForeign = foreignCheck(settings);
  const allowed = new Set(listOf(settings.allowedOrigins));
  return (request, response, next) => {
    if (allowed.size > 0) response.vary('Origin');
    const { origin } = request.headers;
    const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers;
    if (origin !== undefined && allowed.has(origin.toLowerCase())) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Access-Control-Expose-Headers', READ_HEADERS);
      if (!isPreflight) return next();
      response.setHeader('Access-Control-Allow-Methods', METHODS);
      response.setHeader('Access-Control-Allow-Headers', SENT_HEADERS);
      response.setHeader('Access-Control-Max-Age', PREFLIGHT_MAX_AGE_S);
      return void response.status(204).end();
    }
    // A browser tells the origin of a read only where a script wants the answer: links and pictures pass.
    const asks = !SAFE_METHODS.has(request.method) || origin !== undefined;
    if (!asks || !isForeign(request)) return next();
    if (origin !== undefined && !isPreflight) response.setHeader('Access-Control-Allow-Origin', origin);
    throw refusal(request.method, request.path, origin ?? '');
  };
}

function refusal(method: string, path: string, origin: string): AppError {
  const { host = '', origin: name } = URL.canParse(origin) ? new URL(origin) : {};
  const page = host === '' ? 'another origin' : `the origin ${name?.slice(0, 100)}`;
  return new AppError(
    'cross_origin',
    `A page of ${page} requested ${method} ${path}; use the page of this server, or a program. If that page may use ` +
      `this server, start it with ALLOWED_ORIGINS${host && `=${name?.slice(0, 100)}`}. If it is the page of this ` +
      `server behind a proxy that changes Host, start it with TRUST_PROXY=true or ALLOWED_HOSTS` +
      `${host && `=${host.slice(0, 100)}`}.`,
  );
}

/**
 * Creates a function that says whether a browser sends a request for a page of another origin, going by the headers
 * that pages cannot set.
 */
export function foreignCheck({
  allowedHosts,
  trustProxy,
}: Pick<Config, 'allowedHosts' | 'trustProxy'>): (request: IncomingMessage) => boolean {
  const allowed = new Set(listOf(allowedHosts));
  return ({ headers }) => {
    // Browsers send it to https and to localhost only. `none`: the user asked for it, by the address bar or a
    // bookmark.
    const site = headers['sec-fetch-site'];
    if (site !== undefined) return site !== 'same-origin' && site !== 'none';
    if (headers.origin === undefined) return false;
    if (!URL.canParse(headers.origin)) return true;
    const origin = new URL(headers.origin);
    if (allowed.has(origin.host)) return false;
    const host = (trustProxy > 0 && firstOf(headers['x-forwarded-host'])) || headers.host;
    const scheme = trustProxy > 0 ? firstOf(headers['x-forwarded-proto']) : undefined;
    return origin.host !== host?.toLowerCase() || (scheme !== undefined && origin.protocol !== `${scheme}:`);
  };
}
