import { describe, expect, it } from 'vitest';
import { chooseTrial } from '../../../src/finetuning/search/choice.ts';
import { paretoFront, preferred } from '../../../src/finetuning/search/pareto-front.ts';
import type { Rung } from '../../../src/finetuning/search/rungs.ts';
import { candidatesOf } from '../../../src/finetuning/search/space.ts';

const SOLVED: Rung = { images: 200, folds: 200, solved: true };
const TRAINED: Rung = { images: 600, folds: 3, solved: false };
const OPTIONS = { copies: 2, layers: undefined, fixed: {} };

describe('the candidates of a backbone', () => {
  it('begin with the default, and differ', () => {
    const candidates = candidatesOf('small', TRAINED, OPTIONS);
    expect(candidates[0]).toMatchObject({ layers: 'all', copies: 'given', hiddenUnits: [], weightDecayFactor: 1 });
    expect(new Set(candidates.map((candidate) => JSON.stringify(candidate))).size).toBe(candidates.length);
    expect(candidates.some(({ hiddenUnits }) => hiddenUnits.length > 0)).toBe(true);
    expect(candidates.some(({ copies }) => copies === 'none')).toBe(true);
  });

  it('are solved for without copies, for each choice of layers', () => {
    expect(candidatesOf('small', SOLVED, OPTIONS)).toMatchObject(
      ['all', 'half', 'last'].map((layers) => ({ layers, copies: 'none', solved: true })),
    );
  });

  it('keep to what the user has set', () => {
    const options = { copies: 0, layers: 'last', fixed: { hiddenUnits: [32], weightDecay: 2 } } as const;
    expect(candidatesOf('small', TRAINED, options)).toMatchObject([
      { layers: 'last', copies: 'none', hiddenUnits: [32], weightDecayFactor: 1 },
    ]);
  });
});

describe('the front', () => {
  const trials = [
    { accuracy: 0.9, latency: 20 },
    { accuracy: 0.89, latency: 8 },
    { accuracy: 0.7, latency: 2 },
    { accuracy: 0.65, latency: 4 },
    { accuracy: 0.6, latency: 2 },
  ];
  const front = paretoFront(trials);

  it('has the trials that no other beats in accuracy without being slower', () => {
    expect(front.map(({ latency }) => latency)).toEqual([2, 8, 20]);
  });

  it.each([
    ['accuracy', 20],
    ['balanced', 8],
    ['speed', 2],
  ] as const)('gives the winner for %s', (preference, latency) => {
    expect(preferred(front, preference).latency).toBe(latency);
  });
});

describe('the choice', () => {
  const [usual, other] = candidatesOf('small', SOLVED, OPTIONS);
  const [foreign] = candidatesOf('large', SOLVED, OPTIONS);
  if (usual === undefined || other === undefined || foreign === undefined) throw new Error('there are candidates');
  const trial = (candidate: typeof usual, wrong: number, rung = 1) => {
    const right = Array.from({ length: 100 }, (_, image) => image >= wrong);
    return { candidate, rung, accuracy: 1 - wrong / 100, right };
  };
  const choose = (...trials: ReturnType<typeof trial>[]) => chooseTrial(trials, () => 1, 'accuracy').chosen.candidate;

  it('stays with the default of a backbone when the difference may be chance', () => {
    expect(choose(trial(usual, 20), trial(other, 18))).toBe(usual);
    expect(choose(trial(usual, 20), trial(other, 8))).toBe(other);
  });

  it('takes the better backbone', () => {
    expect(choose(trial(usual, 20), trial(foreign, 18))).toBe(foreign);
  });

  it('looks only at the highest rung', () => {
    expect(choose(trial(other, 0, 0), trial(usual, 20))).toBe(usual);
  });
});
