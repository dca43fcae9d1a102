import { h } from '../dom.ts';
import { percent } from '../format.ts';

/** A class and how sure the model is of it. */
export interface Scored {
  readonly label: string;
  /** 0..1 */
  readonly score: number;
}

/** Classes with their scores as bars, in the order given. */
export function bars(scores: readonly Scored[]): HTMLOListElement {
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
