import type { Separation, TrainingReport } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import { counted, percent } from '../../format.ts';

const METHODS: Readonly<Record<NonNullable<Separation['method']>, string>> = {
  softmax: 'Highest probability',
  energy: 'Energy of the logits',
  nearest_neighbour: 'Nearest training image',
  mahalanobis: 'This model',
};

/** How well the model tells images that show none of its classes. */
export function noveltyPanel({ novelty }: TrainingReport): HTMLElement | undefined {
  if (novelty === undefined) return undefined;
  const { accepted, left_out_classes: left, unknown_images: others } = novelty;
  return h(
    'section',
    { class: 'panel block' },
    h('h2', {}, 'Images of other things'),
    accepted !== undefined &&
      h('p', {}, `${percent(1 - accepted)} of the held-out images of its classes are answered “unknown”.`),
    others && [
      h(
        'p',
        {},
        `${percent(others.refused)} of ${counted(others.images, 'image')} of other things are answered “unknown”.`,
      ),
      table(others.methods),
    ],
    left && [
      h(
        'p',
        {},
        `Images of a class that was left out of the training, for ${counted(left.classes, 'class', 'classes')} in turn:`,
      ),
      table(left.methods),
    ],
    others === undefined && left === undefined
      ? h(
          'p',
          { class: 'muted' },
          'How well other things are told was not measured. Add a class “_unknown” with images of them.',
        )
      : h(
          'p',
          { class: 'muted small' },
          'AUROC: how often an image of another thing looks stranger than one of the classes; 0.5 is chance, 1 is always. Accepted: the share of the other things that pass where 95% of the classes do.',
        ),
  );
}

function table(methods: readonly Separation[]): Child {
  return h(
    'table',
    { class: 'table' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Judged by'),
        ['AUROC', 'Accepted'].map((name) => h('th', { scope: 'col', class: 'number' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      methods.map(({ method, auroc, false_positives }) =>
        h(
          'tr',
          { class: method === 'mahalanobis' && 'own' },
          h('th', { scope: 'row' }, METHODS[method ?? 'mahalanobis']),
          h('td', { class: 'number' }, auroc.toFixed(2)),
          h('td', { class: 'number' }, percent(false_positives)),
        ),
      ),
    ),
  );
}
