import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Health checks tell nothing but health, and come under whatever name a container has for its neighbours. */
const HEALTH = /^\/v2\/health\//;

/** Names of this machine, which no DNS server can give to another one. */
const LOCAL_NAME = /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/;
const IP_ADDRESS = /^(?:\d+(?:\.\d+){3}|\[.*\])$/;

type OriginSettings = Pick<Config, 'host' | 'allowedHosts' | 'trustProxy'>;

/**
 * Refuses requests under host names that are not this server's. Otherwise a page whose name is made to resolve to the
 * address of this server (DNS rebinding) could use it like its own. A server on loopback answers to local names, to
 * `HOST` and `ALLOWED_HOSTS`. One on the network answers to any name, unless `ALLOWED_HOSTS` lists names; IP
 * addresses are always answered there, since they need no DNS.
 *
 * `X-Forwarded-Host` does not replace `Host`: the page of an attacker can set it, but not `Host`. Where proxies are
 * trusted and `ALLOWED_HOSTS` lists names, the name that the proxy was asked for must be one of them too.
 */
export function checkHost({ host: listensOn, allowedHosts, trustProxy }: OriginSettings): RequestHandler {
  const isLoopback = LOCAL_NAME.test(nameOf(listensOn));
  const allowed = new Set([listensOn, ...listOf(allowedHosts)].map(nameOf));
  const isAnswered = (name: string): boolean =>
    LOCAL_NAME.test(name) ||
    allowed.has(name) ||
    (!isLoopback && (listOf(allowedHosts).length === 0 || IP_ADDRESS.test(name)));
  const checksForwarded = trustProxy && listOf(allowedHosts).length > 0;
  return (request, _response, next) => {
    const { host, 'x-forwarded-host': forwarded } = request.headers;
    const names = [host, checksForwarded ? firstOf(forwarded) : undefined];
    const refused = names.find((name) => name !== undefined && !isAnswered(nameOf(name)));
    if (refused === undefined || HEALTH.test(request.path)) return next();
    const shown = refused.slice(0, 100);
    throw new AppError(
      'host_not_allowed',
      `This server does not answer to the host name "${shown}"; if the name is right, start it with ` +
        `ALLOWED_HOSTS=${nameOf(shown)}.`,
    );
  };
}

/**
 * Refuses requests that a browser sends for a page of another origin: a form there could otherwise make a local
 * server train or remove models. Programs that are not browsers send neither `Sec-Fetch-Site` nor `Origin`, and pass.
 */
export function refuseCrossOrigin(settings: OriginSettings): RequestHandler {
  const isCrossOrigin = crossOriginCheck(settings);
  return (request, _response, next) => {
    if (SAFE_METHODS.has(request.method) || !isCrossOrigin(request)) return next();
    const { origin = '' } = request.headers;
    const suggested = URL.canParse(origin) ? new URL(origin).host.slice(0, 100) : '';
    throw new AppError(
      'cross_origin',
      `A page of another origin requested ${request.method} ${request.path}; use the page of this server, or ` +
        'a program. ' +
        'If it is the page of this server behind a proxy that changes Host, start the server with ' +
        'TRUST_PROXY=true or ' +
        `ALLOWED_HOSTS${suggested && `=${suggested}`}.`,
    );
  };
}

function crossOriginCheck({ allowedHosts, trustProxy }: OriginSettings): (request: IncomingMessage) => boolean {
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
    const host = (trustProxy && firstOf(headers['x-forwarded-host'])) || headers.host;
    const scheme = trustProxy ? firstOf(headers['x-forwarded-proto']) : undefined;
    return origin.host !== host?.toLowerCase() || (scheme !== undefined && origin.protocol !== `${scheme}:`);
  };
}

/** The first of the values that proxies have added, which is the client's. */
function firstOf(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? '')
      .split(',', 1)[0]
      ?.trim()
      .toLowerCase() || undefined
  );
}

function listOf(hosts: string): string[] {
  return hosts
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((host) => host !== '');
}

/** A host without its port, in lower case; IPv6 addresses in brackets. */
function nameOf(host: string): string {
  const url = `http://${/:.*:/.test(host) && !host.startsWith('[') ? `[${host}]` : host}`;
  return URL.canParse(url) ? new URL(url).hostname : host;
}
