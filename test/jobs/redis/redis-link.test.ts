import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/common/logger.ts';
import { RedisLink } from '../../../src/jobs/redis/redis-link.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from './redis-server.ts';

/** One of several machines. */
interface Machine {
  readonly link: RedisLink;
  /** How often it was told of a change. */
  heard: number;
}

describe.skipIf(!HAS_REDIS)(`machines that are linked by a Redis${WITHOUT_REDIS}`, () => {
  let redis: RedisServer;
  const machines: Machine[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(() => {
    for (const { link } of machines.splice(0)) link.close();
  });
  afterAll(() => redis.dispose());

  /** Links a machine, and waits until it hears the others. */
  async function join(channel: string): Promise<Machine> {
    const machine = { link: new RedisLink({ url: redis.url, channel, logger: createLogger('silent') }), heard: 0 };
    machines.push(machine);
    machine.link.listen(() => {
      machine.heard += 1;
    });
    await expect.poll(() => machine.heard).toBe(1);
    return machine;
  }

  test('hear what the others announce on their channel, and not themselves', async () => {
    const [one, two, elsewhere] = [await join('a'), await join('a'), await join('b')];
    one.link.announce();
    await expect.poll(() => two.heard).toBe(2);
    for (let count = 0; count < 50; count += 1) two.link.announce();
    await expect.poll(() => one.heard).toBe(51);
    expect([two.heard, elsewhere.heard]).toEqual([2, 1]);
  });

  test('say so when Redis is lost, go on, and are told to look when it is back', async () => {
    const [one, two] = [await join('a'), await join('a')];
    await redis.kill();
    await expect
      .poll(() => one.link.warnings)
      .toEqual(['Redis does not answer (there is no connection): changes by other machines are seen a little later.']);
    one.link.announce();
    redis.run();
    await expect.poll(() => [...one.link.warnings, ...two.link.warnings]).toEqual([]);
    // What was announced meanwhile is lost.
    await expect.poll(() => two.heard).toBe(2);
    one.link.announce();
    await expect.poll(() => two.heard).toBe(3);
  });
});
