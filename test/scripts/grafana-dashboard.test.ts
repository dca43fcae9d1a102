import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allMetrics } from '../metrics/all-metrics.ts';

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
const metrics = await allMetrics();
/** Labels by name of series, as in a scrape: a histogram has `_bucket`, `_sum` and `_count`. */
const series = new Map<string, Set<string>>();
for (const [, name = '', labels = ''] of metrics.matchAll(/^(menagerie_\w+)(?:\{(.*)\})? /gm)) {
  const known = series.get(name) ?? new Set();
  for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
  series.set(name, known);
}
/** Labels that Prometheus adds to every series. */
const ADDED = new Set(['job', 'instance']);

test.each(queries)('%s queries metrics that exist, by labels that they have: %s', (_, query) => {
  const names = [...query.matchAll(/menagerie_\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect([...series.keys()], query).toContain(name);
  const filters = [...query.matchAll(/(menagerie_\w+)\{([^}]*)\}/g)].flatMap(([, name = '', text = '']) =>
    [...text.matchAll(/(\w+)(?:=|!)/g)].map(([, label = '']) => [name, label] as const),
  );
  for (const [name, label] of filters)
    expect(ADDED.has(label) || series.get(name)?.has(label), `${name} ${label}`).toBe(true);
  const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
  for (const label of grouped) {
    expect(ADDED.has(label) || names.every((name) => series.get(name)?.has(label)), `${query} by ${label}`).toBe(true);
  }
});

test('every metric but the facts about the build is in a panel', () => {
  const shown = queries.map(([, query]) => query).join();
  const families = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, family = '']) => family);
  expect(families.filter((family) => !shown.includes(family))).toEqual(['menagerie_runtime_info']);
});
