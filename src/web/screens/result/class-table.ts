import type { TestReport } from '../../api/schema.ts';
import { fill, h } from '../../dom.ts';
import { count, percent } from '../../format.ts';
import { classSearch, matches } from './class-search.ts';

const COLUMNS = [
  ['Precision', 'number'],
  ['Recall', 'number'],
  ['F1', 'number f1'],
  ['Images', 'number'],
] as const;

/** Precision, recall and F1 of each class, the lowest F1 first. */
export function classTable({ per_class, macro_f1 }: TestReport): HTMLElement {
  const rows = per_class.toSorted((a, b) => a.f1 - b.f1);
  const body = h('tbody');
  const nothing = h('p', { class: 'muted', role: 'status' });
  const search = classSearch(rows.length, (wanted) => {
    const found = rows.filter((row) => matches(row.class, wanted));
    fill(nothing, found.length === 0 && 'No class matches.');
    fill(body, found.map(rowOf));
  });
  return h(
    'section',
    { class: 'block' },
    h('h2', {}, 'Results by class'),
    h(
      'p',
      { class: 'muted' },
      'Precision is the share of the answers with this class that are right, recall the share of its images that are found, and F1 their harmonic mean. The weakest classes come first. ',
      `The mean F1 is ${percent(macro_f1)}.`,
    ),
    search,
    h(
      'div',
      { class: 'sheet', tabindex: 0, role: 'region', 'aria-label': 'Results by class' },
      h(
        'table',
        { class: 'table class-table' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Class'),
            COLUMNS.map(([name, kind]) => h('th', { scope: 'col', class: kind }, name)),
          ),
        ),
        body,
      ),
      nothing,
    ),
  );
}

function rowOf({ class: name, precision, recall, f1, support }: TestReport['per_class'][number]): HTMLElement {
  const shares = [precision, recall, f1].map((value) => (support === 0 ? '–' : percent(value)));
  const texts = [...shares, count(support)];
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, name),
    COLUMNS.map(([, kind], index) => h('td', { class: kind }, texts[index])),
  );
}
