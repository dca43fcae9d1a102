import { isIPv6 } from 'node:net';
import { AppError } from '../common/errors.ts';
import type { Client } from './access.ts';

/** Clients that are remembered. The one that has been silent for longest is forgotten first. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  /** `performance.now()` when the tokens were counted. */
  at: number;
}

/**
 * A bucket of tokens for each key, and for each address without one: a minute's requests may come at once, and then
 * as many as flow in. It comes before `QUEUE_LIMIT` and the other limits of the machine: those protect the server
 * from all clients together, this protects clients from each other.
 */
export class RateLimit {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perMinute 0 is no limit */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /**
   * Counts a request. Clients that may do everything without a key are not limited.
   * @param address of the client
   * @throws AppError `rate_limited`
   */
  count(client: Client, address: string, now = performance.now()): void {
    if (this.#perMinute === 0 || (client.kind !== 'key' && client.scope === 'admin')) return;
    const id = client.kind === 'key' ? client.id : networkOf(address);
    const perMs = this.#perMinute / 60_000;
    const { tokens, at } = this.#buckets.get(id) ?? { tokens: this.#perMinute, at: now };
    const filled = Math.min(this.#perMinute, tokens + (now - at) * perMs);
    // Set anew, so that the order of the map is that of the last requests.
    this.#buckets.delete(id);
    this.#buckets.set(id, { tokens: Math.max(0, filled - 1), at: now });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_BUCKETS && oldest !== undefined) this.#buckets.delete(oldest);
    if (filled >= 1) return;
    this.#buckets.set(id, { tokens: filled, at: now });
    const seconds = Math.ceil((1 - filled) / perMs / 1_000);
    const who = client.kind === 'key' ? `The key "${client.name}"` : 'Your address';
    throw new AppError(
      'rate_limited',
      `${who} has sent ${this.#perMinute} requests in a minute, which is the limit; try again in ${seconds} s.`,
      { retryAfter: seconds, context: { requests_per_minute: this.#perMinute } },
    );
  }
}

/** A client has 2^64 addresses of IPv6: they count together. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter((group) => group !== '').length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0')].slice(0, 4).join(':');
}
