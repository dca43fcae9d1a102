import { describe, expect, it } from 'vitest';
import { rungsOf } from '../../../src/finetuning/search/rungs.ts';
import { type RungScore, successiveHalving } from '../../../src/finetuning/search/successive-halving.ts';

interface Trial extends RungScore {
  readonly arm: number;
  readonly rung: number;
}

/** Arms are their own accuracy in per cent; each has two candidates, of which the second is worse. */
const trialsOf = (arm: number, rung: number): Trial[] => [
  { arm, rung, accuracy: arm / 100, right: [] },
  { arm, rung, accuracy: arm / 200, right: [] },
];

async function halve(arms: readonly number[], evaluate: (arm: number, rung: number) => Trial[] | undefined = trialsOf) {
  const trials = await successiveHalving({ arms, rungs: 3, evaluate: async (arm, rung) => evaluate(arm, rung) });
  return (rung: number) => [...new Set(trials.filter((trial) => trial.rung === rung).map(({ arm }) => arm))];
}

describe('successive halving', () => {
  it('takes the better third of the arms to the next rung, and the default, the best first', async () => {
    const onRung = await halve([10, 20, 90, 30, 80, 40, 70, 50, 60]);
    expect(onRung(0)).toEqual([10, 20, 90, 30, 80, 40, 70, 50, 60]);
    expect(onRung(1)).toEqual([90, 10, 80, 70]);
    expect(onRung(2)).toEqual([90, 10, 80]);
  });

  it('never goes on with fewer than two', async () => {
    const onRung = await halve([90, 10, 20]);
    expect(onRung(2)).toEqual([90, 20]);
  });

  it('prefers the earlier of equal arms', async () => {
    const onRung = await halve([1, 2, 3, 4, 5, 6, 7, 8, 9], (arm, rung) =>
      trialsOf(50, rung).map((t) => ({ ...t, arm })),
    );
    expect(onRung(1)).toEqual([1, 2, 3]);
  });

  it('leaves out what there is no time for, and ends when there is none for the best arm', async () => {
    const onRung = await halve([10, 20, 90], (arm, rung) => (arm === 90 ? undefined : trialsOf(arm, rung)));
    expect(onRung(0)).toEqual([10, 20]);
    expect(onRung(1)).toEqual([20, 10]);
    const first = await halve([10, 20], (arm, rung) => (rung > 0 ? undefined : trialsOf(arm, rung)));
    expect([first(0), first(1), first(2)]).toEqual([[10, 20], [], []]);
  });
});

describe('the rungs', () => {
  it('have more images, and then train heads instead of solving for them', () => {
    expect(rungsOf(3600, 10, false)).toEqual([
      { images: 200, folds: 200, solved: true },
      { images: 600, folds: 600, solved: true },
      { images: 600, folds: 3, solved: false },
    ]);
  });

  it('only solve where the head of the model is solved for', () => {
    expect(rungsOf(100, 3, true)).toEqual([
      { images: 60, folds: 60, solved: true },
      { images: 100, folds: 100, solved: true },
    ]);
    expect(rungsOf(60, 3, true)).toEqual([{ images: 60, folds: 60, solved: true }]);
  });
});
