import { expect } from 'vitest';
import { allMetrics } from './all-metrics.ts';

/** Labels that Prometheus adds to every series. */
const ADDED = new Set(['job', 'instance']);

/** What a server that has done a bit of everything answers to a scrape. */
export const METRICS = await allMetrics();

/** Values of labels by name of series, as in a scrape: a histogram has `_bucket`, `_sum` and `_count`. */
const series = new Map<string, Map<string, Set<string>>>();
for (const [, name = '', labels = ''] of METRICS.matchAll(/^(menagerie_\w+)(?:\{(.*)\})? /gm)) {
  const known = series.get(name) ?? new Map<string, Set<string>>();
  for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
    known.set(label, (known.get(label) ?? new Set<string>()).add(value));
  }
  series.set(name, known);
}

/** Values of a label of a series in the scrape. */
export function knownValues(name: string, label: string): ReadonlySet<string> {
  return series.get(name)?.get(label) ?? new Set();
}

/** The filters of a query by labels. */
export function filtersOf(query: string) {
  return [...query.matchAll(/(menagerie_\w+)\{([^}]*)\}/g)].flatMap(([, name = '', text = '']) =>
    [...text.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', value = '']) => ({ name, label, value })),
  );
}

/** A query must be about series that a server has, by labels that they have. */
export function expectKnownSeries(query: string): void {
  const names = [...query.matchAll(/menagerie_\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect([...series.keys()], query).toContain(name);
  for (const { name, label } of filtersOf(query)) {
    expect(ADDED.has(label) || series.get(name)?.has(label), `${name} ${label}`).toBe(true);
  }
  const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
  for (const label of grouped) {
    expect(ADDED.has(label) || names.every((name) => series.get(name)?.has(label)), `${query} by ${label}`).toBe(true);
  }
}
