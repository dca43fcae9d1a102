import type { Request } from 'express';

/**
 * The IP address of a client: that of its connection, or the one that the trusted proxies say (`TRUST_PROXY`). IPv4
 * addresses are written as such where the server listens on IPv6.
 */
export function clientAddress({ ip }: Pick<Request, 'ip'>): string {
  return ip?.replace(/^::ffff:(?=\d+(?:\.\d+){3}$)/i, '') ?? 'unknown';
}
