import type { ImageClasses, Problem } from '../../api/schema.ts';
import { bars } from '../../components/bars.ts';
import { sentence } from '../../components/notice.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { milliseconds } from '../../format.ts';
import type { PictureAnswer, SessionPicture } from '../../session.ts';
import { conceptPath } from './concept.ts';

/** Predictions on a card. */
const SHOWN_CLASSES = 3;

/** Shown for an image that is unlike those that the model was trained on. */
export const UNKNOWN_TEXT = 'Unknown: probably none of the classes';

/** An image with the results of the models. */
export interface PictureCard {
  readonly element: HTMLElement;
  /** Shows the results so far. */
  update(models: readonly string[]): void;
}

/** What the user does with a card. */
export interface CardActions {
  explain(): void;
  remove(): void;
  /** @param answer of the model, whose scores the concepts have */
  openConcept(model: string, synset: string, answer: ImageClasses): void;
}

export function pictureCard(picture: SessionPicture, actions: CardActions): PictureCard {
  const image = h('img', { src: picture.url, alt: '', decoding: 'async', loading: 'lazy' });
  image.addEventListener('error', () => {
    const words = h('span', { class: 'small' }, 'This browser cannot show the file');
    image.replaceWith(h('span', { class: 'unseen' }, icon('pictures'), words));
  });
  const answers = h('div', { class: 'answers' });
  const agreement = h('span', { class: 'agreement' });
  const explain = h('button', { type: 'button', class: 'compact', onclick: actions.explain }, icon('eye'), 'Why?');
  explain.disabled = true;
  const { name } = picture.file;
  const remove = h(
    'button',
    { type: 'button', class: 'quiet square compact', 'aria-label': `Remove ${name}`, onclick: actions.remove },
    icon('close'),
  );
  const element = h(
    'li',
    { class: 'card' },
    h('div', { class: 'picture' }, image, remove),
    h('div', { class: 'about' }, h('p', { class: 'name', title: name }, name), answers),
    h('div', { class: 'row spread end' }, agreement, explain),
  );
  return {
    element,
    update(models) {
      fill(
        answers,
        ...models.map((model) => answerBlock(model, picture.answers.get(model), models.length > 1, actions)),
      );
      fill(agreement, agreementTag(picture, models));
      explain.disabled = !models.some((model) => picture.answers.get(model)?.state === 'answered');
      element.setAttribute('aria-busy', String(models.some((model) => !picture.answers.has(model))));
    },
  };
}

/** The top class of each model; undefined until all have answered. */
export function firstClasses({ answers }: SessionPicture, models: readonly string[]): readonly string[] | undefined {
  const labels = models.map((model) => {
    const answer = answers.get(model);
    return answer?.state === 'answered' ? answer.result.predictions[0]?.label : undefined;
  });
  return labels.every((label) => label !== undefined) ? labels : undefined;
}

function answerBlock(
  model: string,
  answer: PictureAnswer | undefined,
  named: boolean,
  { openConcept }: CardActions,
): HTMLElement {
  const time = answer?.state === 'answered' ? milliseconds(networkMs(answer.result)) : '';
  return h(
    'div',
    { class: 'answer', 'data-model': model },
    h(
      'p',
      { class: 'row spread small muted' },
      h('span', { class: 'model', title: model }, named ? model : 'Predictions'),
      h('span', { class: 'number', title: 'Inference time, without decoding' }, time),
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
      return h('div', { class: 'waiting', 'aria-label': 'Waiting for the result' });
    case 'answered': {
      const { predictions, unknown, warnings = [] } = answer.result;
      return [
        unknown === true && h('p', {}, h('span', { class: 'tag caution' }, UNKNOWN_TEXT)),
        bars(predictions.slice(0, SHOWN_CLASSES)),
        conceptPath(answer.result, (synset) => openConcept(synset, answer.result)),
        warnings.map(({ detail }) => h('p', { class: 'small muted' }, detail)),
      ];
    }
    case 'refused':
      return refusal(answer.result.error);
    case 'failed':
      return h('p', { class: 'failure', role: 'alert' }, sentence(messageOf(answer.error)));
  }
}

function refusal({ title, detail }: Problem): HTMLElement {
  return h('p', { class: 'failure', title }, sentence(detail));
}

function agreementTag(picture: SessionPicture, models: readonly string[]): Child {
  const labels = models.length > 1 ? firstClasses(picture, models) : undefined;
  if (labels === undefined) return undefined;
  return new Set(labels).size === 1
    ? h('span', { class: 'tag accent' }, 'Models agree')
    : h('span', { class: 'tag caution' }, 'Models disagree');
}

/** The share of an image in the inference time of its batch, in milliseconds. */
export function networkMs({ timings: { inference_ms, batch_size } }: ImageClasses): number {
  return inference_ms / batch_size;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
