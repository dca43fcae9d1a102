import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { patiently } from '../../../src/web/api/patience.ts';
import { errorOf, notYet } from '../../../src/web/api/problem.ts';

const NOW = Date.parse('Sun, 01 Mar 2026 12:00:00 GMT');
const { signal } = new AbortController();

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A request that is refused with these statuses, each with its `Retry-After`, and then succeeds. */
function refused(...answers: readonly (readonly [status: number, retryAfter?: string | undefined])[]) {
  const left = [...answers];
  const sentAt: number[] = [];
  const request = async (): Promise<string> => {
    sentAt.push((Date.now() - NOW) / 1_000);
    const [status, retryAfter] = left.shift() ?? [200];
    if (status === 200) return 'done';
    throw await errorOf(
      new Response('', { status, headers: retryAfter === undefined ? {} : { 'Retry-After': retryAfter } }),
    );
  };
  return { request, sentAt };
}

describe('a request to a busy server', () => {
  test.each<[string, string | undefined, number]>([
    ['seconds', '5', 5],
    ['a date', 'Sun, 01 Mar 2026 12:00:07 GMT', 7],
    ['nothing', undefined, 1],
    ['nonsense', 'soon', 1],
  ])('waits as long as Retry-After says: %s', async (_, retryAfter, seconds) => {
    const { request, sentAt } = refused([429, retryAfter], [503, retryAfter]);
    const waits: number[] = [];
    const done = patiently(request, signal, (wait) => waits.push(wait));
    await vi.runAllTimersAsync();
    expect(await done).toBe('done');
    expect(waits[0]).toBe(seconds);
    expect(sentAt.slice(0, 2)).toEqual([0, seconds]);
    expect(sentAt).toHaveLength(3);
  });

  test('that pulls the model first waits as long as the server asks', async () => {
    let sent = 0;
    const pulling = new Response('{}', { status: 202, headers: { 'Retry-After': '5' } });
    const done = patiently(async () => {
      sent += 1;
      if (sent < 3) throw notYet(pulling);
      return Date.now() - NOW;
    }, signal);
    await vi.runAllTimersAsync();
    expect(await done).toBe(10_000);
  });

  test('is not repeated after other errors, or when it asks to wait for hours', async () => {
    for (const answer of [[500, '1'], [400], [503, '7200']] as const) {
      const { request, sentAt } = refused(answer);
      await expect(patiently(request, signal)).rejects.toMatchObject({ status: answer[0] });
      expect(sentAt).toEqual([0]);
    }
  });

  test('is given up after some attempts', async () => {
    const { request, sentAt } = refused(...Array.from({ length: 20 }, () => [429, '1'] as const));
    const outcome = expect(patiently(request, signal)).rejects.toMatchObject({ status: 429 });
    await vi.runAllTimersAsync();
    await outcome;
    expect(sentAt).toHaveLength(8);
  });

  test('is not repeated once its signal aborts', async () => {
    const controller = new AbortController();
    const { request, sentAt } = refused([429, '5'], [429, '5']);
    const outcome = expect(patiently(request, controller.signal)).rejects.toThrow('left');
    await vi.advanceTimersByTimeAsync(1_000);
    controller.abort(new Error('left'));
    await outcome;
    expect(vi.getTimerCount()).toBe(0);
    expect(sentAt).toEqual([0]);
  });
});
