import { expect, test } from 'vitest';
import type { Fact, FactOf, Outage } from './history.ts';
import { recoveriesOf, report } from './report.ts';

const outage = (kind: string, at: number, until: number, lost: Outage['lost'], targets = ['one', 'two']): Outage => ({
  type: 'outage',
  kind,
  at,
  until,
  lost,
  targets,
});
const health = (replica: string, until: number, warnings: readonly string[]): FactOf<'health'> => ({
  type: 'health',
  at: until - 5,
  until,
  replica,
  answer: { status: 200, code: null, flaw: null, gaveUp: false },
  warnings,
});

const FACTS: readonly Fact[] = [
  health('one', 100, []),
  health('two', 100, []),
  outage('kill redis', 1_000, 2_000, 'redis'),
  health('one', 1_100, ['Redis is lost']),
  health('two', 1_200, ['Redis is lost']),
  health('one', 2_500, []),
  health('two', 3_500, []),
  outage('kill worker', 5_000, 7_500, 'process', ['worker']),
  // It overlaps with another one, so nobody knows which of them one recovers from.
  outage('kill redis', 9_000, 10_000, 'redis'),
  outage('s3 error', 9_500, 12_000, 's3'),
  health('one', 9_100, ['Redis is lost']),
  health('one', 13_000, []),
];

test('the time to recover is that until all who were hit have no warning, where nothing else happened', () => {
  expect(recoveriesOf(FACTS, 'kill redis')).toEqual([1_500]);
  expect(recoveriesOf(FACTS, 's3 error')).toEqual([]);
});

test('what was killed has recovered when it works again', () => {
  expect(recoveriesOf(FACTS, 'kill worker')).toEqual([2_500]);
});

test('the report has the moments, the times and what is wrong', () => {
  const lines = report(FACTS, [{ rule: 'answer', at: 4_000, detail: '500' }]).join('\n');
  expect(lines).toMatch(/4 moments/);
  expect(lines).toMatch(/kill redis +2 +1\.5 +1\.5 +1/);
  expect(lines).toMatch(/4\.0 s {2}answer: 500\n1 violations$/);
});
