import type { TestReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { percent } from '../../format.ts';
import { reportPicture } from './confusion.ts';

/** Wrong predictions, the most confident first. Often their labels are wrong, or the images unusual. */
export function mistakes({ worst_mistakes }: TestReport, pictures: Readonly<Record<string, string>>): HTMLElement {
  if (worst_mistakes.length === 0) return h('p', { class: 'muted' }, 'No mistakes on the held-out images.');
  return h(
    'div',
    { class: 'block' },
    h('p', { class: 'muted' }, 'Wrong predictions with the highest confidence. Check their labels first.'),
    h(
      'ul',
      { class: 'shots' },
      worst_mistakes.map(({ image, label, predicted, confidence }) =>
        h(
          'li',
          {},
          reportPicture(image, pictures),
          h('span', { class: 'small' }, h('strong', {}, predicted), ` ${percent(confidence, 0)}`),
          h('span', { class: 'small muted' }, `labelled ${label}`),
        ),
      ),
    ),
  );
}
