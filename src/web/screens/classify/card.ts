import type { ImageClasses, Problem } from '../../api/schema.ts';
import { bars } from '../../components/bars.ts';
import { sentence } from '../../components/notice.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { milliseconds, percent } from '../../format.ts';
import type { PictureAnswer, SessionPicture } from '../../session.ts';
import { type Sureness, surenessOf } from '../../sureness.ts';
import { conceptPath } from './concept.ts';
import { type Agreement, agreementOf, networkMs } from './verdict.ts';

/** Classes on a card beside the first, where the model is not sure. */
const OTHER_CLASSES = 2;

/** An image with the results of the models. */
export interface PictureCard {
  readonly element: HTMLElement;
  /** Shows the results so far. */
  update(models: readonly string[]): void;
}

/** What the user does with a card, and what it cannot know. */
export interface CardActions {
  explain(): void;
  remove(): void;
  /** @param answer of the model, whose scores the concepts have */
  openConcept(model: string, synset: string, answer: ImageClasses): void;
  titleOf(model: string): string;
}

export function pictureCard(picture: SessionPicture, actions: CardActions): PictureCard {
  const { name } = picture.file;
  const image = h('img', { src: picture.url, alt: '', decoding: 'async', loading: 'lazy' });
  image.addEventListener('error', () => {
    const words = h('span', { class: 'small' }, 'This browser cannot show the file');
    image.replaceWith(h('span', { class: 'unseen' }, icon('pictures'), words));
  });
  const answers = h('div', { class: 'answers' });
  const agreement = h('div', { class: 'agreement' });
  const explain = h(
    'button',
    { type: 'button', class: 'compact', 'aria-label': `Why? ${name}`, onclick: actions.explain },
    icon('eye'),
    'Why?',
  );
  explain.disabled = true;
  const remove = h(
    'button',
    { type: 'button', class: 'square compact', 'aria-label': `Remove ${name}`, onclick: actions.remove },
    icon('close'),
  );
  const element = h(
    'li',
    { class: 'card' },
    h('div', { class: 'picture' }, image, remove),
    agreement,
    answers,
    h('div', { class: 'row end' }, h('p', { class: 'name', title: name }, name), explain),
  );
  return {
    element,
    update(models) {
      fill(
        answers,
        models.map((model) => answerBlock(model, picture.answers.get(model), models.length > 1, actions)),
      );
      fill(agreement, agreementTag(agreementOf(picture, models)));
      explain.disabled = !models.some((model) => picture.answers.get(model)?.state === 'answered');
      element.setAttribute('aria-busy', String(models.some((model) => !picture.answers.has(model))));
    },
  };
}

/** @param named whether it says which model answers */
function answerBlock(
  model: string,
  answer: PictureAnswer | undefined,
  named: boolean,
  { openConcept, titleOf }: CardActions,
): HTMLElement {
  const ms = networkMs(answer);
  return h(
    'div',
    { class: 'answer', 'data-model': model },
    named &&
      h(
        'p',
        { class: 'model small muted' },
        h('span', { title: model }, titleOf(model)),
        ms !== undefined &&
          h('span', { class: 'number time', title: 'Inference time, without decoding' }, milliseconds(ms)),
      ),
    answerContent(answer, (synset, result) => openConcept(model, synset, result)),
  );
}

function answerContent(
  answer: PictureAnswer | undefined,
  openConcept: (synset: string, result: ImageClasses) => void,
): Child {
  switch (answer?.state) {
    case undefined:
      return h('div', { class: 'waiting', role: 'img', 'aria-label': 'Waiting for the result' });
    case 'answered':
      return [
        answered(answer.result, (synset) => openConcept(synset, answer.result)),
        (answer.result.warnings ?? []).map(({ detail }) => h('p', { class: 'small muted' }, detail)),
      ];
    case 'refused':
      return refusal(answer.result.error);
    case 'failed':
      // The reason is the same for many images: it is said once, above them.
      return h('p', { class: 'failure small' }, 'No answer.');
  }
}

function answered(result: ImageClasses, openConcept: (synset: string) => void): Child {
  const [first, ...others] = result.predictions;
  if (first === undefined) return h('p', { class: 'first' }, 'No class');
  const sureness = surenessOf(result);
  if (sureness === 'unknown') {
    return [
      h('p', { class: 'first' }, 'Unknown'),
      h('p', { class: 'small muted' }, `None of its classes. The nearest is ${first.label}.`),
    ];
  }
  return [
    h('p', { class: 'first' }, first.label),
    h('p', { class: 'how-sure' }, surenessTag(sureness), h('span', { class: 'number' }, percent(first.score))),
    conceptPath(result, openConcept),
    sureness !== 'sure' && bars(others.slice(0, OTHER_CLASSES)),
  ];
}

const SURENESS_KINDS: Readonly<Record<Sureness, string>> = {
  sure: 'accent',
  leaning: '',
  guessing: 'caution',
  unknown: 'caution',
};

function surenessTag(sureness: Sureness): HTMLElement {
  return h('span', { class: `tag ${SURENESS_KINDS[sureness]}` }, sureness);
}

const AGREEMENTS = {
  agree: { kind: 'accent', words: 'Models agree' },
  unsure: { kind: '', words: 'Models agree, unsure' },
  same_guess: { kind: '', words: 'The same guess' },
  differ: { kind: 'caution', words: 'Models differ' },
} as const;

function agreementTag(agreement: Agreement): Child {
  if (agreement === 'none') return undefined;
  const { kind, words } = AGREEMENTS[agreement];
  return h('span', { class: `tag ${kind}` }, words);
}

function refusal({ title, detail }: Problem): HTMLElement {
  return h('p', { class: 'failure small', title }, sentence(detail));
}
