import { h } from '../../dom.ts';
import { type Cell, cellButton, type OnCell } from './confusion-cell.ts';

/** The widths of the names and of a cell in pixels, as the styles have them. */
const NAME_WIDTH = 150;
const CELL_WIDTH = 46;

/** Whether a matrix of so many classes can be read in a place of this width in pixels. */
export function matrixFits(classes: number, width: number): boolean {
  return NAME_WIDTH + classes * CELL_WIDTH <= width;
}

/** Numbers of images by true class, in rows, and predicted class, in columns. Each is a button that shows its images. */
export function confusionMatrix(cells: readonly Cell[], names: readonly string[], onCell: OnCell): HTMLElement {
  const cellAt = new Map(cells.map((cell) => [cell.label * names.length + cell.predicted, cell]));
  const heads = names.map((name) => h('th', { scope: 'col', title: name }, h('span', {}, name)));
  const rows = names.map((name, label) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row', title: name }, name),
      names.map((_, predicted) => {
        const cell = cellAt.get(label * names.length + predicted);
        return cell === undefined ? h('td', { class: 'none' }, '0') : h('td', {}, cellButton(cell, names, onCell));
      }),
    ),
  );
  return h(
    'table',
    { class: 'matrix' },
    h('caption', { class: 'small muted' }, 'Rows are the true classes, columns the predicted ones.'),
    h('thead', {}, h('tr', {}, h('td'), heads)),
    h('tbody', {}, rows),
  );
}
