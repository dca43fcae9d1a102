import type { Prediction } from '../api/schema.ts';
import { h } from '../dom.ts';
import { percent } from '../format.ts';

/** Classes with their scores as bars, in the given order. */
export function bars(scores: readonly Pick<Prediction, 'label' | 'score'>[]): HTMLOListElement {
  return h(
    'ol',
    { class: 'bars' },
    scores.map(({ label, score }) =>
      h(
        'li',
        {},
        h('span', { class: 'label', title: label }, label),
        h('span', { class: 'number' }, percent(score)),
        h('span', { class: 'track', '--share': score, 'aria-hidden': 'true' }),
      ),
    ),
  );
}
