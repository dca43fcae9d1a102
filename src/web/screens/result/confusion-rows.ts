import { fill, h } from '../../dom.ts';
import { count } from '../../format.ts';
import { classSearch, matches } from './class-search.ts';
import { type Cell, cellButton, type OnCell, worstOf } from './confusion-cell.ts';

/**
 * The confusion matrix without its zeros: for each class what its images were taken for. The class with the most
 * mistakes comes first.
 * @param onDraw called when there are other buttons
 */
export function confusionRows(
  cells: readonly Cell[],
  names: readonly string[],
  onCell: OnCell,
  onDraw: () => void,
): HTMLElement {
  const classes = names.map((name, label) => {
    const own = cells.filter((cell) => cell.label === label);
    const wrong = worstOf(own);
    return { name, wrong, right: own.find(({ predicted }) => predicted === label), mistakes: sum(wrong) };
  });
  classes.sort((a, b) => b.mistakes - a.mistakes);
  const body = h('tbody');
  const nothing = h('p', { class: 'muted', role: 'status' });
  const search = classSearch(names.length, (wanted) => {
    const found = classes.filter(({ name, wrong }) =>
      [name, ...wrong.map(({ predicted }) => names[predicted] ?? '')].some((each) => matches(each, wanted)),
    );
    fill(nothing, found.length === 0 && 'No class matches.');
    fill(
      body,
      found.map(({ name, wrong, right, mistakes }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, name),
          h(
            'td',
            { class: 'number' },
            right === undefined ? '0' : cellButton(right, names, onCell),
            ` of ${count(mistakes + (right?.images ?? 0))}`,
          ),
          h(
            'td',
            {},
            h(
              'div',
              { class: 'row' },
              wrong.map((cell) => cellButton(cell, names, onCell, names[cell.predicted])),
            ),
          ),
        ),
      ),
    );
    onDraw();
  });
  return h(
    'div',
    { class: 'block' },
    search,
    h(
      'div',
      { class: 'sheet', tabindex: 0, role: 'region', 'aria-label': 'Confusions by class' },
      h(
        'table',
        { class: 'table confusion-rows' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Class'),
            h('th', { scope: 'col', class: 'number' }, 'Right'),
            h('th', { scope: 'col' }, 'Taken for'),
          ),
        ),
        body,
      ),
      nothing,
    ),
  );
}

function sum(cells: readonly Cell[]): number {
  return cells.reduce((total, { images }) => total + images, 0);
}
