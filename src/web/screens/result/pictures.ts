import type { TestReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { percent } from '../../format.ts';
import type { Corrections } from './corrections.ts';
import { corruptionWords } from './corruption-words.ts';
import { type Pictures, pictureItem } from './picture.ts';

/** The images to look at first: wrong though sure, unsure, and wrong only when they are corrupted. */
export function pictureLists(
  { worst_mistakes, least_certain, robustness }: TestReport,
  pictures: Pictures,
  corrections: Corrections,
): HTMLElement {
  const judged = (answers: TestReport['worst_mistakes']): HTMLElement[] =>
    answers.map(({ image, label, predicted, confidence }) =>
      pictureItem(
        image,
        pictures,
        h('span', { class: 'small' }, h('strong', {}, predicted), ` ${percent(confidence)}`),
        h('span', { class: 'small muted' }, label === predicted ? 'correct' : `labelled ${label}`),
        label !== predicted && corrections.controls({ image, label, predicted }),
      ),
    );
  const corrupted = (robustness?.worst ?? []).map(({ picture, label, predicted, confidence, corruption, severity }) =>
    pictureItem(
      picture,
      pictures,
      h('span', { class: 'small' }, h('strong', {}, predicted), ` ${percent(confidence)}`),
      h(
        'span',
        { class: 'small muted' },
        `labelled ${label}; ${corruptionWords(corruption)}, severity ${severity} of 5`,
      ),
    ),
  );
  return h(
    'div',
    { class: 'block' },
    list(
      'Most confident mistakes',
      'Often the label is wrong, or the image unusual. Check these first.',
      'No mistakes on the held-out images.',
      judged(worst_mistakes),
      corrections.advice,
    ),
    list(
      'Least certain answers',
      'More images like these help the model most.',
      'There are none.',
      judged(least_certain),
    ),
    robustness !== undefined &&
      list(
        'Corrupted images',
        'Each is classified correctly as it is, and wrongly as it is shown here.',
        'There are none.',
        corrupted,
      ),
  );
}

function list(
  title: string,
  about: string,
  none: string,
  items: readonly HTMLElement[],
  advice?: HTMLElement,
): HTMLElement {
  return h(
    'section',
    { class: 'panel block' },
    h('h2', {}, title),
    items.length === 0 ? h('p', { class: 'muted' }, none) : [h('p', { class: 'muted' }, about), advice],
    h('ul', { class: 'shots' }, items),
  );
}
