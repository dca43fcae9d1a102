import { type Child, h } from '../../dom.ts';
import { counted, median, milliseconds, percent } from '../../format.ts';
import type { SessionPicture } from '../../session.ts';
import { hasFailed, networkMs, verdictOf } from './verdict.ts';

/** How many images have results; the inference time of a single model. */
export function progressOf(pictures: readonly SessionPicture[], models: readonly string[]): Child {
  const done = pictures.filter(({ answers }) =>
    models.every((model) => answers.get(model)?.state === 'answered'),
  ).length;
  const failed = pictures.filter((picture) => hasFailed(picture, models)).length;
  const progress = [
    done === pictures.length
      ? `${counted(done, 'image')} classified`
      : `${done} of ${counted(pictures.length, 'image')} classified`,
    failed > 0 && `${failed} failed`,
  ]
    .filter((part) => part !== false)
    .join(', ');
  const [model] = models;
  const times = model === undefined || models.length > 1 ? [] : timesOf(pictures, model);
  return [progress, times.length > 0 && `, ${milliseconds(median(times))} inference each`];
}

/** How several models compare: their times, and how often each agrees with the first. */
export function comparison(
  pictures: readonly SessionPicture[],
  models: readonly string[],
  titleOf: (model: string) => string,
): Child {
  if (models.length < 2) return undefined;
  const [first = ''] = models;
  const rows = models.map((model) => {
    const times = timesOf(pictures, model);
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, titleOf(model)),
      h('td', { class: 'number' }, String(times.length)),
      h('td', { class: 'number' }, times.length > 0 ? milliseconds(median(times)) : '–'),
      h('td', { class: 'number' }, model === first ? '–' : agreement(pictures, [first, model])),
    );
  });
  return h(
    'table',
    { class: 'table comparison' },
    h('caption', { class: 'visually-hidden' }, 'Comparison of the models'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Model'),
        h('th', { scope: 'col', class: 'number' }, 'Classified'),
        h('th', { scope: 'col', class: 'number' }, 'Inference'),
        h('th', { scope: 'col', class: 'number' }, 'Same answer'),
      ),
    ),
    h('tbody', {}, rows),
  );
}

/** How often both models give the same answer. */
function agreement(pictures: readonly SessionPicture[], pair: readonly string[]): string {
  const answered = pictures
    .map(({ answers }) => pair.map((model) => verdictOf(answers.get(model))))
    .filter((verdicts) => !verdicts.includes(undefined));
  if (answered.length === 0) return '–';
  const same = answered.filter(([a, b]) => a?.label === b?.label).length;
  return `${same} of ${answered.length} (${percent(same / answered.length, 0)})`;
}

function timesOf(pictures: readonly SessionPicture[], model: string): number[] {
  return pictures.map(({ answers }) => networkMs(answers.get(model))).filter((ms) => ms !== undefined);
}
