import { describe, expect, it } from 'vitest';
import { chooseTrial } from '../../../src/finetuning/search/automatic-search.ts';
import { paretoFront, preferred } from '../../../src/finetuning/search/pareto-front.ts';
import { drawCandidates, type SpaceOptions } from '../../../src/finetuning/search/space.ts';

const OPTIONS: SpaceOptions = {
  backbones: ['small', 'large'],
  few: false,
  copies: 2,
  mirrored: true,
  layers: undefined,
  fixed: {},
  seed: 1,
};

describe('the candidates of a search', () => {
  it('begin with the default of each backbone and differ', () => {
    const candidates = drawCandidates(OPTIONS);
    expect(candidates.slice(0, 2)).toMatchObject([
      { backbone: 'small', layers: 'all', copies: 'given', hiddenUnits: [], weightDecayFactor: 1 },
      { backbone: 'large', layers: 'all', copies: 'given', hiddenUnits: [], weightDecayFactor: 1 },
    ]);
    expect(candidates).toHaveLength(16);
    expect(new Set(candidates.map((candidate) => JSON.stringify(candidate))).size).toBe(16);
    expect(new Set(candidates.map(({ copies }) => copies)).size).toBeGreaterThan(2);
  });

  it('are the same for the same seed', () => {
    expect(drawCandidates(OPTIONS)).toEqual(drawCandidates(OPTIONS));
    expect(drawCandidates({ ...OPTIONS, seed: 2 })).not.toEqual(drawCandidates(OPTIONS));
  });

  it('keep to what the user has set', () => {
    const fixed = { hiddenUnits: [32], learningRate: 0.1, weightDecay: 2 };
    for (const candidate of drawCandidates({ ...OPTIONS, fixed, layers: 'last', copies: 0 })) {
      expect(candidate).toMatchObject({ layers: 'last', copies: 'none', hiddenUnits: [32], learningRateFactor: 1 });
    }
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
  const [usual, , other] = drawCandidates(OPTIONS);
  if (usual === undefined || other === undefined) throw new Error('there are candidates');
  const trial = (candidate: typeof usual, wrong: number) => {
    const right = Array.from({ length: 100 }, (_, image) => image >= wrong);
    return { candidate, rung: 1, accuracy: 1 - wrong / 100, spread: 0, right };
  };
  const choose = (wrong: number) =>
    chooseTrial([trial(usual, 20), trial(other, wrong)], () => 1, new Map([['small', usual]]), 'accuracy').chosen;

  it('stays with the default when the difference may be chance', () => {
    expect(choose(18).candidate).toBe(usual);
    expect(choose(8).candidate).toBe(other);
  });

  it('looks only at the highest rung', () => {
    const early = { ...trial(other, 0), rung: 0 };
    expect(chooseTrial([early, trial(usual, 20)], () => 1, new Map(), 'accuracy').chosen.candidate).toBe(usual);
  });
});
