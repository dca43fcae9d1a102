import { expect, test } from 'vitest';
import { forEachConcurrently } from '../../src/common/concurrency.ts';

test('runs every task, at most so many at once', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await forEachConcurrently([1, 2, 3, 4, 5], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
    done.push(item);
  });
  expect(done.sort()).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

test('after a failure starts no further task, and rejects once the running ones have ended', async () => {
  const ended: string[] = [];
  const running = forEachConcurrently(['fails', 'runs', 'waits'], 2, async (item) => {
    if (item === 'fails') throw new Error('it failed');
    await new Promise(setImmediate);
    ended.push(item);
  });
  await expect(running).rejects.toThrow('it failed');
  expect(ended).toEqual(['runs']);
});
