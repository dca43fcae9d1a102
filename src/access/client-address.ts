/** The proxies in front, and what they say. */
interface Forwarded {
  /** The header `X-Forwarded-For`. */
  readonly forwardedFor: string;
  /** How many proxies are trusted: the setting `TRUST_PROXY`. */
  readonly trustProxy: number;
}

/**
 * The IP address of a client: that of its connection, or the one that the trusted proxies say. Each proxy adds the address
 * that it was asked from, so that of the client is as many places from the end as proxies are trusted.
 */
export function forwardedAddress(connection: string, { forwardedFor, trustProxy }: Forwarded): string {
  const said = forwardedFor
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  return [...said, connection].slice(-1 - trustProxy)[0] ?? connection;
}

/** An IPv4 address as such, where the server listens on IPv6. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+(?:\.\d+){3}$)/i, '');
}
