import type { TestReport } from '../../api/schema.ts';
import { type Child, fill, h } from '../../dom.ts';
import { counted, percent } from '../../format.ts';

/** A larger matrix cannot be read; of more classes, those with the most mistakes are shown. */
const MAX_CLASSES = 20;

/** Data URLs of the images of a report, by the name of the image. */
type Pictures = Readonly<Record<string, string>>;

/** The confusion matrix. Each number is a button that shows images of its cell. */
export function confusionMatrix(test: TestReport, pictures: Pictures): HTMLElement {
  const { confusion, per_class } = test;
  const shown = mostMistaken(confusion);
  const name = (index: number): string => per_class[index]?.class ?? '';
  const behind = h('div', { class: 'behind', 'aria-live': 'polite' });
  let pressed: HTMLElement | undefined;

  const cell = (label: number, predicted: number, total: number): HTMLElement => {
    const images = confusion[label]?.[predicted] ?? 0;
    const right = label === predicted;
    if (images === 0) return h('td', { class: 'none' }, '0');
    const button = h(
      'button',
      {
        type: 'button',
        class: right ? 'right' : 'wrong',
        '--strength': images / total,
        'aria-pressed': 'false',
        'aria-label': `${counted(images, 'image')} of ${name(label)} classified as ${name(predicted)}`,
      },
      images,
    );
    button.addEventListener('click', () => {
      pressed?.setAttribute('aria-pressed', 'false');
      pressed = button;
      button.setAttribute('aria-pressed', 'true');
      fill(behind, picturesBehind(test, name(label), name(predicted), images, pictures));
    });
    return h('td', {}, button);
  };

  const rows = shown.map((label) => {
    const total = (confusion[label] ?? []).reduce((sum, images) => sum + images, 0);
    return h(
      'tr',
      {},
      h('th', { scope: 'row', title: name(label) }, name(label)),
      shown.map((predicted) => cell(label, predicted, total)),
    );
  });
  fill(behind, h('p', { class: 'muted' }, 'Select a number to see its images.'));
  return h(
    'div',
    { class: 'panel confusion' },
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        { class: 'matrix' },
        h(
          'caption',
          { class: 'small muted' },
          'Rows are the true classes, columns the predicted ones.',
          shown.length < confusion.length &&
            ` Only the ${shown.length} of ${confusion.length} classes with the most mistakes are shown.`,
        ),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('td'),
            shown.map((index) => h('th', { scope: 'col', title: name(index) }, h('span', {}, name(index)))),
          ),
        ),
        h('tbody', {}, rows),
      ),
    ),
    behind,
  );
}

function picturesBehind(
  { cells = [] }: TestReport,
  label: string,
  predicted: string,
  images: number,
  pictures: Pictures,
): Child {
  const found = cells.find((cell) => cell.label === label && cell.predicted === predicted);
  const examples = found?.examples ?? [];
  const title = label === predicted ? `${label}, correct` : `${label}, classified as ${predicted}`;
  return [
    h('h3', {}, `${title}: ${counted(images, 'image')}`),
    examples.length === 0
      ? h('p', { class: 'muted' }, 'The report keeps no images of this cell.')
      : h(
          'ul',
          { class: 'shots' },
          examples.map(({ image, confidence }) =>
            h('li', {}, reportPicture(image, pictures), h('span', { class: 'small' }, percent(confidence))),
          ),
        ),
    examples.length > 0 &&
      examples.length < images &&
      h('p', { class: 'muted small' }, `The ${examples.length} with the highest confidence.`),
  ];
}

/** An image of the report, or its name when the report does not keep it. */
export function reportPicture(image: string, pictures: Pictures): HTMLElement {
  const source = pictures[image];
  return source?.startsWith('data:image/')
    ? h('img', { src: source, alt: image, title: image, class: 'thumb' })
    : h('span', { class: 'thumb small', title: image }, image);
}

function mostMistaken(confusion: TestReport['confusion']): number[] {
  const classes = confusion.map((_, index) => index);
  if (classes.length <= MAX_CLASSES) return classes;
  const mistakesOf = (index: number): number =>
    classes.reduce(
      (sum, other) =>
        other === index ? sum : sum + (confusion[index]?.[other] ?? 0) + (confusion[other]?.[index] ?? 0),
      0,
    );
  return classes
    .map((index) => ({ index, mistakes: mistakesOf(index) }))
    .sort((a, b) => b.mistakes - a.mistakes)
    .slice(0, MAX_CLASSES)
    .map(({ index }) => index)
    .sort((a, b) => a - b);
}
