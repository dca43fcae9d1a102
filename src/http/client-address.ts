import type { Request } from 'express';
import { plainAddress } from '../access/client-address.ts';

/**
 * The IP address of a client: that of its connection, or the one that the trusted proxies say (`TRUST_PROXY`). IPv4
 * addresses are written as such where the server listens on IPv6.
 */
export function clientAddress({ ip }: Pick<Request, 'ip'>): string {
  return ip === undefined ? 'unknown' : plainAddress(ip);
}
