import type { TestReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { percent } from '../../format.ts';

const COLUMNS = ['Precision', 'Recall', 'F1', 'Images'];

/** Precision, recall and F1 of each class, the lowest F1 first. */
export function classTable({ per_class, macro_f1 }: TestReport): HTMLElement {
  const number = (text: string): HTMLElement => h('td', { class: 'number' }, text);
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Results by class' },
    h(
      'table',
      { class: 'table' },
      h(
        'caption',
        { class: 'small muted' },
        'Precision: share of the answers with this class that are correct. Recall: share of its images that are found.',
      ),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Class'),
          COLUMNS.map((name) => h('th', { scope: 'col', class: 'number' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        per_class
          .toSorted((a, b) => a.f1 - b.f1)
          .map((row) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, row.class),
              row.support === 0
                ? [number('–'), number('–'), number('–')]
                : [number(percent(row.precision)), number(percent(row.recall)), number(percent(row.f1))],
              number(String(row.support)),
            ),
          ),
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, 'Mean F1'),
          number(''),
          number(''),
          number(percent(macro_f1)),
          number(''),
        ),
      ),
    ),
  );
}
