import { expect, test } from 'vitest';
import { Mutex } from '../../src/common/mutex.ts';

test('tasks run one after the other, in order, and a failure stops none of those behind it', async () => {
  const mutex = new Mutex();
  const log: string[] = [];
  const task = (name: string) =>
    mutex.run(async () => {
      log.push(`${name} begins`);
      await new Promise(setImmediate);
      log.push(`${name} ends`);
      if (name === 'b') throw new Error('b fails');
      return name;
    });
  const results = await Promise.allSettled([task('a'), task('b'), task('c')]);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
