import { h } from '../dom.ts';
import { count } from '../format.ts';

/** A row of a stacked bar chart. */
export interface StackedRow {
  readonly name: string;
  /** The count of each kind. */
  readonly parts: readonly number[];
}

/** A stacked bar chart of counts. Screen readers read the numbers. */
export function stackedBars(title: string, kinds: readonly string[], rows: readonly StackedRow[]): HTMLElement {
  const totals = rows.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const largest = Math.max(1, ...totals);
  return h(
    'table',
    { class: 'stacked' },
    h(
      'caption',
      {},
      h('strong', {}, title),
      kinds.map((kind, index) => h('span', { class: 'key' }, h('span', { class: `swatch kind-${index}` }), kind)),
    ),
    h(
      'tbody',
      {},
      rows.map(({ name, parts }, row) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row', title: name }, name),
          h(
            'td',
            { class: 'wide' },
            h(
              'span',
              { class: 'visually-hidden' },
              parts.map((part, kind) => `${part} ${kinds[kind] ?? ''}`).join(', '),
            ),
            h(
              'span',
              { class: 'stack', 'aria-hidden': 'true' },
              parts.map((part, kind) => h('span', { class: `kind-${kind}`, '--share': part / largest })),
            ),
          ),
          h('td', { class: 'number' }, count(totals[row] ?? 0)),
        ),
      ),
    ),
  );
}
