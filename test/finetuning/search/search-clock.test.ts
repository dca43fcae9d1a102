import { describe, expect, it } from 'vitest';
import { SearchClock } from '../../../src/finetuning/search/search-clock.ts';

/** A clock that stands still except where a step takes time. */
function fakeClock(deadline: number) {
  let now = 0;
  const clock = new SearchClock(deadline, () => now);
  const step = (kind: string, units: number, milliseconds: number) =>
    clock.measure(
      kind,
      () => units,
      () => {
        now += milliseconds;
      },
    );
  return { clock, step };
}

describe('the clock of a search', () => {
  it('says what is left, also when that is nothing', async () => {
    const { clock, step } = fakeClock(100);
    expect(clock.left).toBe(100);
    await step('ridge', 1, 130);
    expect(clock.left).toBe(-30);
  });

  it('predicts each kind of work by what it has cost', async () => {
    const { clock, step } = fakeClock(1000);
    await step('features of small', 10, 20);
    await step('features of large', 10, 300);
    expect(clock.predict('features of small', 100)).toBe(200);
    expect(clock.predict('features of large', 100)).toBe(3000);
  });

  it('takes the guess until there is a measurement, and nothing for what it does not know', async () => {
    const { clock, step } = fakeClock(1000);
    clock.guess('descent', 7);
    expect(clock.predict('descent', 2)).toBe(14);
    await step('descent', 1, 3);
    expect(clock.predict('descent', 2)).toBe(6);
    expect(clock.predict('ridge', 5)).toBe(0);
  });

  it('notices at once when the machine gets busy, and believes only slowly that it is idle', async () => {
    const { clock, step } = fakeClock(1000);
    await step('descent', 10, 10);
    await step('descent', 10, 40);
    expect(clock.predict('descent', 10)).toBe(40);
    await step('descent', 10, 10);
    expect(clock.predict('descent', 10)).toBe(20);
  });

  it('does not count a step that did no work, such as features from the cache', async () => {
    const { clock, step } = fakeClock(1000);
    await step('features of small', 10, 20);
    await step('features of small', 0, 500);
    expect(clock.predict('features of small', 10)).toBe(20);
    expect(clock.left).toBe(480);
  });

  it('gives the result of a step, and its failure', async () => {
    const { clock } = fakeClock(1000);
    expect(
      await clock.measure(
        'ridge',
        () => 1,
        () => 'solved',
      ),
    ).toBe('solved');
    await expect(
      clock.measure(
        'ridge',
        () => 1,
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow('no');
  });
});
