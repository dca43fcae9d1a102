import { beforeEach, expect, test, vi } from 'vitest';
import { AppError } from '../../../src/common/errors.ts';
import { createLogger } from '../../../src/common/logger.ts';
import { asBucketError } from '../../../src/registry/s3/bucket-errors.ts';
import { BucketHealth } from '../../../src/registry/s3/bucket-health.ts';

const FULL = 'The bucket of the server is full: models are served, but cannot be added or changed.';
const MINUTE_MS = 60_000;

let health: BucketHealth;
beforeEach(() => {
  health = new BucketHealth(createLogger('silent'));
});

const succeed = async () => {};
const failWith = (thrown: unknown) => async () => {
  throw asBucketError(thrown);
};
const away = failWith(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
const full = failWith(Object.assign(new Error('no room'), { $metadata: { httpStatusCode: 507 } }));
const diskFull = failWith(Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC', syscall: 'write' }));

/** Lets a request fail. */
async function fail(request: Promise<void>): Promise<void> {
  await expect(request).rejects.toBeInstanceOf(AppError);
}

test('a bucket that answers no request is down until it answers one', async () => {
  await fail(health.ask(away));
  expect([health.isUp, health.warnings]).toEqual([false, [expect.stringContaining('(ECONNREFUSED)')]]);
  await health.ask(succeed);
  expect([health.isUp, health.warnings]).toEqual([true, []]);
});

test('a full bucket is up, and is warned of until it takes something', async () => {
  await fail(health.ask(away));
  await fail(health.write(full));
  expect([health.isUp, health.warnings]).toEqual([true, [FULL]]);
  await health.ask(succeed);
  expect(health.warnings).toEqual([FULL]);
  await health.write(succeed);
  expect(health.warnings).toEqual([]);
});

test('a bucket that was full is warned of for a minute when nobody writes', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(0);
  await fail(health.write(full));
  now.mockReturnValue(MINUTE_MS - 1);
  expect(health.warnings).toEqual([FULL]);
  now.mockReturnValue(MINUTE_MS);
  expect(health.warnings).toEqual([]);
  now.mockRestore();
});

test('a full disk of this machine is no trouble of the bucket', async () => {
  await fail(health.ask(diskFull));
  expect([health.isUp, health.warnings]).toEqual([true, []]);
});
