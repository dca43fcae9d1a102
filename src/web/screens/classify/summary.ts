import { type Child, h } from '../../dom.ts';
import { counted, median, milliseconds, percent } from '../../format.ts';
import type { Picture } from '../../session.ts';
import { firstClasses, networkMs } from './card.ts';

/** How far the run is, and how the models compare. */
export function summary(pictures: readonly Picture[], models: readonly string[]): Child {
  const complete = pictures.filter(({ answers }) => models.every((model) => answers.has(model))).length;
  const progress =
    complete === pictures.length
      ? `${counted(pictures.length, 'picture')}, all answered`
      : `${complete} of ${counted(pictures.length, 'picture')} answered`;
  if (models.length < 2) {
    const [model] = models;
    const times = model === undefined ? [] : timesOf(pictures, model);
    return h(
      'p',
      { class: 'muted' },
      progress,
      times.length > 0 && `, ${milliseconds(median(times))} each in the network`,
    );
  }
  return [h('p', { class: 'muted' }, progress), comparison(pictures, models)];
}

function comparison(pictures: readonly Picture[], models: readonly string[]): HTMLElement {
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
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'How the models compare' },
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
          h('th', { scope: 'col', class: 'number' }, 'Answered'),
          h('th', { scope: 'col', class: 'number' }, 'In the network'),
          h('th', { scope: 'col', class: 'number' }, 'Same first class'),
        ),
      ),
      h('tbody', {}, rows),
    ),
  );
}

function agreement(pictures: readonly Picture[], pair: readonly string[]): string {
  const answered = pictures.map((picture) => firstClasses(picture, pair)).filter((labels) => labels !== undefined);
  if (answered.length === 0) return '–';
  const same = answered.filter(([a, b]) => a === b).length;
  return `${same} of ${answered.length} (${percent(same / answered.length, 0)})`;
}

function timesOf(pictures: readonly Picture[], model: string): number[] {
  return pictures.flatMap(({ answers }) => {
    const answer = answers.get(model);
    return answer?.state === 'answered' ? [networkMs(answer.result)] : [];
  });
}
