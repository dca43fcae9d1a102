import { describe, expect, it } from 'vitest';
import { rungsOf } from '../../../src/finetuning/search/rungs.ts';
import { type RungScore, successiveHalving } from '../../../src/finetuning/search/successive-halving.ts';

/** Candidates are their own accuracy in per cent. */
const scoreOf = (candidate: number): RungScore => ({ accuracy: candidate / 100, spread: 0, right: [] });

const halve = (candidates: readonly number[], evaluate: (candidate: number, rung: number) => RungScore | undefined) =>
  successiveHalving({
    candidates,
    rungs: 3,
    referenceOf: () => candidates[0] ?? 0,
    evaluate: async (candidate, rung) => evaluate(candidate, rung),
    onTrial: () => undefined,
  });

describe('successive halving', () => {
  it('gives the better third of each rung more images, the best first, and the default whatever it reaches', async () => {
    const trials = await halve([10, 20, 90, 30, 80, 40, 70, 50, 60], scoreOf);
    const onRung = (wanted: number) => trials.filter(({ rung }) => rung === wanted).map(({ candidate }) => candidate);
    expect(onRung(0)).toHaveLength(9);
    expect(onRung(1)).toEqual([90, 80, 70, 10]);
    expect(onRung(2)).toEqual([90, 80, 10]);
  });

  it('takes what was evaluated when time runs out', async () => {
    const trials = await halve([10, 90, 80], (candidate, rung) => (rung > 0 ? undefined : scoreOf(candidate)));
    expect(trials.map(({ candidate, rung }) => [candidate, rung])).toEqual([
      [10, 0],
      [90, 0],
      [80, 0],
    ]);
  });

  it('prefers the earlier of equal candidates', async () => {
    const trials = await halve([1, 2, 3, 4, 5, 6, 7, 8, 9], () => scoreOf(50));
    expect(trials.filter(({ rung }) => rung === 1).map(({ candidate }) => candidate)).toEqual([1, 2, 3]);
  });

  it('says how many trials there were and about how many there will be', async () => {
    const seen: (readonly [number, number])[] = [];
    await successiveHalving({
      candidates: [1, 2, 3, 4, 5, 6],
      rungs: 2,
      referenceOf: () => 1,
      evaluate: async (candidate) => scoreOf(candidate),
      onTrial: (_trial, done, total) => seen.push([done, total]),
    });
    expect(seen[0]).toEqual([1, 8]);
    expect(seen.at(-1)).toEqual([9, 9]);
  });
});

describe('the rungs', () => {
  it('are thirds of the images, with more folds on the last', () => {
    expect(rungsOf(3600, 10)).toEqual([
      { images: 400, folds: 3 },
      { images: 1200, folds: 3 },
      { images: 3600, folds: 5 },
    ]);
  });

  it('do not get so small that chance would choose', () => {
    expect(rungsOf(510, 10).map(({ images }) => images)).toEqual([170, 510]);
    expect(rungsOf(1200, 50).map(({ images }) => images)).toEqual([1200, 1200]);
    expect(rungsOf(60, 3)).toEqual([
      { images: 60, folds: 3 },
      { images: 60, folds: 5 },
    ]);
  });
});
