import type { TestReport } from '../../api/schema.ts';
import { h, shape } from '../../dom.ts';
import { counted, percent } from '../../format.ts';
import { corruptionWords } from './corruption-words.ts';

const WIDTH = 120;
const HEIGHT = 32;
/** Half of the line is outside of it. */
const MARGIN = 2;

/** How well corrupted images are answered: a curve over the severities for each corruption, the weakest first. */
export function robustnessPanel({ robustness, accuracy }: TestReport): HTMLElement {
  const title = h('h2', {}, 'Corrupted images');
  if (robustness === undefined)
    return h('section', { class: 'panel block' }, title, h('p', { class: 'muted' }, 'They were not tested.'));
  const { images, corrupted_accuracy, corruptions } = robustness;
  return h(
    'section',
    { class: 'panel block' },
    title,
    h(
      'p',
      {},
      `${percent(corrupted_accuracy)} of images with noise, blur, fog and the like are answered correctly, and ${percent(accuracy)} of the images as they are.`,
    ),
    h(
      'ul',
      { class: 'corruptions' },
      corruptions.map(({ corruption, accuracy: mean, by_severity }) =>
        h(
          'li',
          {},
          h('span', {}, corruptionWords(corruption)),
          curve([accuracy, ...by_severity]),
          h(
            'span',
            { class: 'visually-hidden' },
            `by severity: ${by_severity.map((each) => percent(each)).join(', ')}; mean`,
          ),
          h('span', { class: 'number' }, percent(mean)),
        ),
      ),
    ),
    h(
      'p',
      { class: 'muted small' },
      `The curves go from the image as it is to severity 5, from 0% to 100%; the number is the mean. Each is from ${counted(images, 'image')}, so it is rough. The option augmentation=robust trains for such images.`,
    ),
  );
}

/** Accuracies from left to right, the foot is 0 and the top 1. */
function curve(shares: readonly number[]): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('class', 'sparkline');
  svg.setAttribute('aria-hidden', 'true');
  const x = (index: number): number => MARGIN + (index / (shares.length - 1)) * (WIDTH - 2 * MARGIN);
  const y = (share: number): number => MARGIN + (1 - share) * (HEIGHT - 2 * MARGIN);
  const points = shares.map((share, index) => `${x(index).toFixed(1)} ${y(share).toFixed(1)}`);
  svg.append(
    shape('line', { x1: MARGIN, x2: WIDTH - MARGIN, y1: y(0), y2: y(0) }),
    shape('path', { d: `M${points.join('L')}` }),
  );
  return svg;
}
