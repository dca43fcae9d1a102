import { lookup } from 'node:dns/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { isLocalName, listOf } from './host-names.ts';

/** It also finds IPv4 addresses that are written as IPv6 ones. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** The settings that may open a server to others. */
export interface ExposureSettings {
  readonly host: string;
  readonly allowedHosts: string;
  readonly trustProxy: number;
}

/**
 * What opens a server to other machines, as it is set; undefined for one that only this machine can use. A proxy on
 * this machine connects from loopback, whoever asked it. So a setting that only a proxy needs opens the server too:
 * `TRUST_PROXY`, and names of other machines in `ALLOWED_HOSTS`.
 * @throws Error when HOST is a name that cannot be resolved
 */
export async function openedBy({ host, allowedHosts, trustProxy }: ExposureSettings): Promise<string | undefined> {
  const addresses = await lookup(host, { all: true }).catch((thrown: unknown) => {
    throw new Error(`HOST=${host} cannot be resolved; set an address of this machine`, { cause: thrown });
  });
  if (!addresses.every(({ address }) => isLoopback(address))) return `HOST=${host}`;
  if (trustProxy > 0) return `TRUST_PROXY=${trustProxy}`;
  const foreign = listOf(allowedHosts).find((name) => !isLocalName(name));
  return foreign === undefined ? undefined : `ALLOWED_HOSTS=${foreign}`;
}

/**
 * Whether a proxy says that it asks for another machine. Caddy, Traefik, tunnels and others say so unasked; where none is
 * expected, whoever set one up has opened the server.
 */
export function isForwarded(headers: IncomingHttpHeaders): boolean {
  const claims = ['x-forwarded-for', 'x-real-ip', 'forwarded'].map((name) => String(headers[name] ?? ''));
  const addresses = claims
    .join(',')
    .split(/[\s,;="]+/)
    .map((part) => part.replace(/^\[(.*)\](?::\d+)?$/, '$1'));
  return addresses.some((address) => isIP(address) !== 0 && !isLoopback(address));
}

/** Whether an address is one of this machine for itself. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
