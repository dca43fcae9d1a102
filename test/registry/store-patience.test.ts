import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { type StorePatience, withPatience } from '../../src/registry/store-patience.ts';

const away = new AppError('storage_unavailable', 'the bucket cannot be used');
const patience: StorePatience = {
  logger: createLogger('silent'),
  signal: new AbortController().signal,
  firstPauseMs: 1,
};

/** Fails in turn with each of the errors, and then gives how often it was tried. */
function failing(...errors: readonly Error[]): () => Promise<number> {
  let tries = 0;
  return async () => {
    const error = errors[tries];
    tries += 1;
    if (error !== undefined) throw error;
    return tries;
  };
}

describe('a job at a store of models', () => {
  test('that cannot be reached is tried again until it can', async () => {
    const file = new AppError('model_unavailable', 'flowers/1/weights cannot be fetched', { cause: away });
    expect(await withPatience(patience, failing(away, away, file))).toBe(4);
  });

  test.each([
    ['is full', new AppError('storage_full', 'the bucket is full')],
    ['has no such version', new AppError('version_not_found', 'there is no version 3')],
    ['has a damaged file', new AppError('model_unavailable', 'its SHA-256 is wrong', { cause: new Error('wrong') })],
    ['lies on a broken disk', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'write' })],
  ])('that %s ends with that problem', async (_what, problem) => {
    await expect(withPatience(patience, failing(problem))).rejects.toBe(problem);
  });

  test('that stays away ends with that problem', async () => {
    await expect(withPatience({ ...patience, patienceMs: 0 }, failing(away, away, away))).rejects.toBe(away);
  });

  test('asks it for nothing once it is cancelled', async () => {
    let asked = 0;
    const signal = AbortSignal.abort(new Error('cancelled'));
    const putting = withPatience({ ...patience, signal }, async () => (asked += 1));
    await expect(putting).rejects.toThrow('cancelled');
    expect(asked).toBe(0);
  });

  test('does not wait for it when it is cancelled', async () => {
    const cancel = new AbortController();
    const waiting = withPatience({ ...patience, firstPauseMs: 3_600_000, signal: cancel.signal }, failing(away));
    cancel.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
  });
});
