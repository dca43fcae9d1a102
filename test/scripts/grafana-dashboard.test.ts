import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expectKnownSeries, METRICS } from '../metrics/known-series.ts';

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}
interface Variable {
  readonly name: string;
  readonly definition?: string;
}
const dashboard: { readonly panels: readonly Panel[]; readonly templating: { readonly list: readonly Variable[] } } =
  JSON.parse(readFileSync('scripts/deploy/grafana-dashboard.json', 'utf8'));

/** Each query, and what it is for. */
const queries = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...dashboard.templating.list.flatMap(({ name, definition }) => (definition ? [[name, definition] as const] : [])),
];

test.each(queries)('%s queries metrics that exist, by labels that they have: %s', (_, query) => {
  expectKnownSeries(query);
});

test('every metric but the facts about the build is in a panel', () => {
  const shown = queries.map(([, query]) => query).join();
  const families = [...METRICS.matchAll(/^# TYPE (\w+)/gm)].map(([, family = '']) => family);
  expect(families.filter((family) => !shown.includes(family))).toEqual(['menagerie_runtime_info']);
});
