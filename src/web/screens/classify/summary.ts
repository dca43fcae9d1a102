import { type Child, h } from '../../dom.ts';
import { counted, median, milliseconds, percent } from '../../format.ts';
import type { SessionPicture } from '../../session.ts';
import { firstClasses, networkMs } from './card.ts';

/** Progress, inference times, and how the models compare. */
export function summary(pictures: readonly SessionPicture[], models: readonly string[]): Child {
  const done = pictures.filter(({ answers }) =>
    models.every((model) => answers.get(model)?.state === 'answered'),
  ).length;
  const failed = pictures.filter(({ answers }) =>
    models.some((model) => ['refused', 'failed'].includes(answers.get(model)?.state ?? '')),
  ).length;
  const progress = [
    done === pictures.length
      ? `${counted(done, 'image')} classified`
      : `${done} of ${counted(pictures.length, 'image')} classified`,
    failed > 0 && `${failed} failed`,
  ]
    .filter((part) => part !== false)
    .join(', ');
  if (models.length < 2) {
    const [model] = models;
    const times = model === undefined ? [] : timesOf(pictures, model);
    return h('p', { class: 'muted' }, progress, times.length > 0 && `, ${milliseconds(median(times))} inference each`);
  }
  return [h('p', { class: 'muted' }, progress), comparison(pictures, models)];
}

function comparison(pictures: readonly SessionPicture[], models: readonly string[]): HTMLElement {
  const [first = ''] = models;
  const rows = models.map((model) => {
    const times = timesOf(pictures, model);
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, model),
      h('td', { class: 'number' }, String(times.length)),
      h('td', { class: 'number' }, times.length > 0 ? milliseconds(median(times)) : '–'),
      h('td', { class: 'number' }, model === first ? '–' : agreement(pictures, [first, model])),
    );
  });
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Comparison of the models' },
    h(
      'table',
      { class: 'table comparison' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Model'),
          h('th', { scope: 'col', class: 'number' }, 'Classified'),
          h('th', { scope: 'col', class: 'number' }, 'Inference'),
          h('th', { scope: 'col', class: 'number' }, 'Same top class'),
        ),
      ),
      h('tbody', {}, rows),
    ),
  );
}

function agreement(pictures: readonly SessionPicture[], pair: readonly string[]): string {
  const answered = pictures.map((picture) => firstClasses(picture, pair)).filter((labels) => labels !== undefined);
  if (answered.length === 0) return '–';
  const same = answered.filter(([a, b]) => a === b).length;
  return `${same} of ${answered.length} (${percent(same / answered.length, 0)})`;
}

function timesOf(pictures: readonly SessionPicture[], model: string): number[] {
  return pictures.flatMap(({ answers }) => {
    const answer = answers.get(model);
    return answer?.state === 'answered' ? [networkMs(answer.result)] : [];
  });
}
