import type { RequestHandler } from 'express';
import { isLocalName, listOf, nameOf } from '../../access/host-names.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';

/** Health checks tell nothing but health, and come under whatever name a container has for its neighbours. */
const HEALTH = /^\/v2\/health\//;

const IP_ADDRESS = /^(?:\d+(?:\.\d+){3}|\[.*\])$/;

type HostSettings = Pick<Config, 'host' | 'allowedHosts' | 'trustProxy'>;

/**
 * Refuses requests under host names that are not this server's. Otherwise a page whose name is made to resolve to the
 * address of this server (DNS rebinding) could use it like its own. A server on loopback answers to local names, to
 * `HOST` and `ALLOWED_HOSTS`. One on the network answers to any name, unless `ALLOWED_HOSTS` lists names; IP
 * addresses are always answered there, since they need no DNS.
 *
 * `X-Forwarded-Host` does not replace `Host`: the page of an attacker can set it, but not `Host`. Where proxies are
 * trusted and `ALLOWED_HOSTS` lists names, the name that the proxy was asked for must be one of them too.
 */
export function checkHost({ host: listensOn, allowedHosts, trustProxy }: HostSettings): RequestHandler {
  const isLoopback = isLocalName(listensOn);
  const allowed = new Set([listensOn, ...listOf(allowedHosts)].map(nameOf));
  const isAnswered = (name: string): boolean =>
    isLocalName(name) ||
    allowed.has(name) ||
    (!isLoopback && (listOf(allowedHosts).length === 0 || IP_ADDRESS.test(name)));
  const checksForwarded = trustProxy > 0 && listOf(allowedHosts).length > 0;
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

/** The first of the values that proxies have added, which is the client's. */
export function firstOf(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? '')
      .split(',', 1)[0]
      ?.trim()
      .toLowerCase() || undefined
  );
}
