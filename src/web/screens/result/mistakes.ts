import type { TestReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { percent } from '../../format.ts';
import { reportPicture } from './confusion.ts';

/** Wrong answers, the surest first: often wrong labels or unusual photos. */
export function mistakes({ worst_mistakes }: TestReport, pictures: Readonly<Record<string, string>>): HTMLElement {
  if (worst_mistakes.length === 0) return h('p', { class: 'muted' }, 'It answered every held-out picture right.');
  return h(
    'div',
    { class: 'block' },
    h('p', { class: 'muted' }, 'Wrong and sure of it. Look whether the label is right before you blame the model.'),
    h(
      'ul',
      { class: 'shots' },
      worst_mistakes.map(({ image, label, predicted, confidence }) =>
        h(
          'li',
          {},
          reportPicture(image, pictures),
          h('span', { class: 'small' }, h('strong', {}, predicted), ` ${percent(confidence, 0)}`),
          h('span', { class: 'small muted' }, `in truth ${label}`),
        ),
      ),
    ),
  );
}
