import { fill, h, icon } from '../../dom.ts';
import { counted, percent } from '../../format.ts';
import { type Cell, keyOf, type OnCell } from './confusion-cell.ts';

/** Pairs at first. */
const SHOWN_PAIRS = 8;

/**
 * Pairs of classes that are taken for each other.
 * @param worst those with the most images first
 * @param onDraw called when there are other buttons
 */
export function confusedPairs(
  worst: readonly Cell[],
  names: readonly string[],
  onCell: OnCell,
  onDraw: () => void,
): HTMLElement {
  const list = h('ol', { class: 'pairs' });
  const more = h('button', { type: 'button', class: 'quiet compact' }, `Show all ${worst.length} pairs`);
  const draw = (shown: number): void => {
    more.hidden = shown >= worst.length;
    fill(
      list,
      worst.slice(0, shown).map((cell) =>
        h(
          'li',
          {},
          h(
            'button',
            {
              type: 'button',
              class: 'pair',
              'data-cell': keyOf(cell),
              'aria-pressed': 'false',
              onclick: () => onCell(cell),
            },
            h('span', { class: 'names' }, names[cell.label], icon('right'), names[cell.predicted]),
            h(
              'span',
              { class: 'muted small' },
              `${counted(cell.images, 'image')}, ${percent(cell.share)} of the class`,
            ),
          ),
        ),
      ),
    );
    onDraw();
  };
  more.addEventListener('click', () => {
    draw(worst.length);
    list.querySelector<HTMLElement>(`li:nth-child(${SHOWN_PAIRS + 1}) button`)?.focus();
  });
  draw(SHOWN_PAIRS);
  return h('div', { class: 'block' }, list, more);
}
