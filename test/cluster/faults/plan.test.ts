import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { FAULT_KINDS, planFaults } from './plan.ts';

const PACE = { gapMs: 6_000, lastsMs: 20_000 };

test('a seed gives the same moments each time, another seed others', () => {
  const plan = (seed: number) => planFaults(seededRandom(seed), 50, PACE);
  expect(plan(1)).toEqual(plan(1));
  expect(plan(1)).not.toEqual(plan(2));
});

test('two hundred moments have faults of every kind, and few long pauses of Redis', () => {
  const faults = planFaults(seededRandom(1), 200, PACE);
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  const pauses = faults.filter(({ kind }) => kind === 'redis paused');
  expect(pauses.map(({ lastsMs }) => lastsMs)).toEqual([30_000, 30_000, 30_000, 30_000]);
});
