import type { TestReport } from '../../api/schema.ts';
import { type Child, fill, h } from '../../dom.ts';
import { counted, percent } from '../../format.ts';
import { confusedPairs } from './confused-pairs.ts';
import { type Cell, cellsOf, keyOf, worstOf } from './confusion-cell.ts';
import { confusionMatrix, matrixFits } from './confusion-matrix.ts';
import { confusionRows } from './confusion-rows.ts';
import type { Corrections } from './corrections.ts';
import { type Pictures, pictureItem } from './picture.ts';

/** Larger matrices cannot be read, however wide the window is. */
const MAX_MATRIX_CLASSES = 20;

/** What is taken for what: the worst pair of classes with its images, the other pairs, and all numbers. */
export function confusions(test: TestReport, pictures: Pictures, corrections: Corrections): HTMLElement {
  const names = test.per_class.map((each) => each.class);
  const cells = cellsOf(test);
  const worst = worstOf(cells);
  const behind = h('section', { class: 'panel block behind', 'aria-live': 'polite', 'aria-label': 'Images' });
  let chosen: Cell | undefined;

  const mark = (): void => {
    for (const button of element.querySelectorAll<HTMLElement>('[data-cell]'))
      button.setAttribute('aria-pressed', String(chosen !== undefined && button.dataset['cell'] === keyOf(chosen)));
  };
  const choose = (cell: Cell): void => {
    chosen = cell;
    mark();
    fill(behind, imagesOf(cell, names, test, pictures, corrections));
  };
  const onCell = (cell: Cell): void => {
    choose(cell);
    behind.scrollIntoView({ block: 'nearest' });
  };

  const numbers = h('div', { class: 'numbers' });
  let asMatrix: boolean | undefined;
  new ResizeObserver(() => {
    const fits = names.length <= MAX_MATRIX_CLASSES && matrixFits(names.length, numbers.clientWidth);
    if (numbers.clientWidth === 0 || fits === asMatrix) return;
    asMatrix = fits;
    fill(numbers, fits ? confusionMatrix(cells, names, onCell) : confusionRows(cells, names, onCell, mark));
    mark();
  }).observe(numbers);

  const element = h('div', { class: 'confusions' });
  fill(
    element,
    h(
      'section',
      { class: 'block' },
      h('h2', {}, 'Most confused pairs'),
      worst.length === 0
        ? h('p', { class: 'muted' }, `All ${counted(test.images, 'held-out image')} are classified correctly.`)
        : confusedPairs(worst, names, onCell, mark),
    ),
    behind,
    h('section', { class: 'block all-numbers' }, h('h2', {}, 'Confusion matrix'), numbers),
  );
  const first = worst[0] ?? cells[0];
  if (first) choose(first);
  return element;
}

function imagesOf(
  { label, predicted, images }: Cell,
  names: readonly string[],
  { cells = [] }: TestReport,
  pictures: Pictures,
  corrections: Corrections,
): Child {
  const [own = '', answer = ''] = [names[label], names[predicted]];
  const found = cells.find((cell) => cell.label === own && cell.predicted === answer);
  const examples = found?.examples ?? [];
  const isWrong = label !== predicted;
  return [
    h('h3', {}, `${isWrong ? `${own}, classified as ${answer}` : `${own}, correct`}: ${counted(images, 'image')}`),
    examples.length === 0 && h('p', { class: 'muted' }, 'The report keeps no images of these.'),
    isWrong && examples.length > 0 && corrections.advice,
    h(
      'ul',
      { class: 'shots' },
      examples.map(({ image, confidence }) =>
        pictureItem(
          image,
          pictures,
          h('span', { class: 'small' }, `${percent(confidence)} sure`),
          isWrong && corrections.controls({ image, label: own, predicted: answer }),
        ),
      ),
    ),
    examples.length > 0 &&
      examples.length < images &&
      h('p', { class: 'muted small' }, `The ${examples.length} with the highest confidence.`),
  ];
}
