import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/access/access.ts';
import { RateLimit } from '../../src/access/rate-limit.ts';

const key = (id: string): Client => ({ kind: 'key', id, name: id, scope: 'classify' });
const anonymous: Client = { kind: 'anonymous', scope: 'classify' };

/** How many of some requests at one moment are let through. */
function passed(limit: RateLimit, client: Client, requests: number, now: number, address = '192.0.2.1'): number {
  let count = 0;
  for (let i = 0; i < requests; i++) {
    try {
      limit.count(client, address, now);
      count++;
    } catch {
      // Refused.
    }
  }
  return count;
}

describe('a limit of 60 requests a minute', () => {
  it('lets a minute at once through, and then one a second', () => {
    const limit = new RateLimit(60);
    expect(passed(limit, key('a'), 100, 0)).toBe(60);
    expect(passed(limit, key('a'), 100, 999)).toBe(0);
    expect(passed(limit, key('a'), 100, 5_001)).toBe(5);
    expect(passed(limit, key('a'), 100, 600_000)).toBe(60);
  });

  it('says when to try again', () => {
    const limit = new RateLimit(6);
    passed(limit, key('a'), 6, 0);
    expect(() => limit.count(key('a'), '', 1_000)).toThrow(
      expect.objectContaining({ code: 'rate_limited', retryAfter: 9, context: { requests_per_minute: 6 } }),
    );
  });

  it('is one of each key, wherever its requests come from, and of each address without one', () => {
    const limit = new RateLimit(60);
    expect(passed(limit, key('a'), 60, 0, '192.0.2.1')).toBe(60);
    expect(passed(limit, key('a'), 60, 0, '192.0.2.2')).toBe(0);
    expect(passed(limit, key('b'), 60, 0)).toBe(60);
    expect(passed(limit, anonymous, 60, 0, '192.0.2.1')).toBe(60);
    expect(passed(limit, anonymous, 60, 0, '192.0.2.2')).toBe(60);
  });

  it('counts the addresses of one IPv6 network together', () => {
    const limit = new RateLimit(60);
    expect(passed(limit, anonymous, 60, 0, '2001:db8::1')).toBe(60);
    expect(passed(limit, anonymous, 60, 0, '2001:db8:0:0:1::2')).toBe(0);
    expect(passed(limit, anonymous, 60, 0, '2001:db8:0:1::1')).toBe(60);
  });

  it('is none for who may do everything without a key, and where it is 0', () => {
    expect(passed(new RateLimit(60), { kind: 'local', scope: 'admin' }, 100, 0)).toBe(100);
    expect(passed(new RateLimit(60), { kind: 'anonymous', scope: 'admin' }, 100, 0)).toBe(100);
    expect(passed(new RateLimit(0), key('a'), 100, 0)).toBe(100);
  });
});
