import type { TrainingReport } from '../../api/schema.ts';
import { h, icon } from '../../dom.ts';
import { counted, percent } from '../../format.ts';

/** How good the model is, what that means, and what to do next. */
export function headline({ test, verdict, next_steps }: TrainingReport): HTMLElement {
  return h(
    'div',
    { class: 'panel headline' },
    test === null
      ? h('p', { class: 'muted' }, 'No images were held out, so the accuracy is unknown.')
      : h(
          'div',
          { class: 'figure' },
          h('p', { class: 'big' }, percent(test.accuracy)),
          h('p', {}, `accuracy on ${counted(test.images, 'held-out image')}`),
          [
            `95% confidence interval: ${percent(test.interval[0] ?? 0)} to ${percent(test.interval[1] ?? 1)}`,
            `Nearest neighbours: ${percent(test.baselines.nearest_neighbours.accuracy)}`,
            `Most frequent class: ${percent(test.baselines.majority_class.accuracy)}`,
          ].map((text) => h('p', { class: 'muted small' }, text)),
        ),
    h(
      'div',
      { class: 'block' },
      h(
        'ul',
        { class: 'findings' },
        verdict.map(({ level, text }) =>
          h('li', { class: level }, icon(level === 'good' ? 'check' : 'warning'), h('div', {}, text)),
        ),
      ),
      next_steps.length > 0 && [
        h('h2', {}, 'Next steps'),
        h(
          'ol',
          { class: 'steps' },
          next_steps.map((step) => h('li', {}, step)),
        ),
      ],
    ),
  );
}
