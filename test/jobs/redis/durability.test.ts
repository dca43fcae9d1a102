import { describe, expect, test } from 'vitest';
import { durabilityWarnings } from '../../../src/jobs/redis/durability.ts';

const SAFE = { aof_enabled: '1', maxmemory: '1073741824', maxmemory_policy: 'noeviction' };

/** An answer of Redis, of which only these lines matter. */
function infoOf(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name}:${value}`);
  return ['# Server', 'redis_version:7.0.15', ...lines, 'maxmemory_human:1.00G', ''].join('\r\n');
}

describe('what a Redis may lose', () => {
  test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
    ['nothing, with an append-only file', {}, []],
    ['jobs, without one', { aof_enabled: '0' }, ['appendonly yes']],
    ['jobs, when it removes any key', { maxmemory_policy: 'allkeys-lru' }, ['jobs may be lost']],
    ['locks of jobs, when it removes some keys', { maxmemory_policy: 'volatile-ttl' }, ['begun once more']],
    ['no key as long as its memory has no limit', { maxmemory: '0', maxmemory_policy: 'allkeys-lru' }, []],
  ])('%s', (_, values, words) => {
    const warnings = durabilityWarnings(infoOf({ ...SAFE, ...values }));
    expect(warnings).toEqual(words.map((each) => expect.stringContaining(each)));
  });

  test('is not known of one that does not say', () => {
    expect(durabilityWarnings('redis_version:7.0.15\r\n')).toEqual([]);
  });
});
