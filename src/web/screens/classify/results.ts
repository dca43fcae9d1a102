import { fill, h } from '../../dom.ts';
import type { SessionPicture } from '../../session.ts';
import { SURENESS_HELP } from '../../sureness.ts';
import { type CardActions, type PictureCard, pictureCard } from './card.ts';
import { comparison, progressOf } from './summary.ts';
import { isShown, ordered, toolbar, type View, WHOLE_VIEW } from './toolbar.ts';

/** The results for all images: a bar to filter and sort, the cards, and how the models compare. */
export interface Results {
  readonly element: HTMLElement;
  /** Shows these images, with what these models have answered so far. */
  show(pictures: readonly SessionPicture[], models: readonly string[]): void;
  /** Shows a result that has come for an image. */
  update(picture: SessionPicture): void;
  /** Puts the cards in order again. They do not jump while results come. */
  arrange(): void;
}

export interface ResultsOptions {
  readonly actionsOf: (picture: SessionPicture) => CardActions;
  readonly titleOf: (model: string) => string;
}

export function resultsView({ actionsOf, titleOf }: ResultsOptions): Results {
  let pictures: readonly SessionPicture[] = [];
  let models: readonly string[] = [];
  let cards = new Map<SessionPicture, PictureCard>();
  let view: View = WHOLE_VIEW;
  const progress = h('p', { class: 'muted', role: 'status' });
  const compared = h('div');
  const grid = h('ul', { class: 'cards' });
  const bar = toolbar((next) => {
    view = next;
    arrange();
  });
  const help = h(
    'details',
    { class: 'small help' },
    h('summary', {}, 'What sure, leaning and guessing mean'),
    h('p', { class: 'muted' }, SURENESS_HELP),
  );
  const element = h('section', { class: 'block results', 'aria-label': 'Results' });

  const drawStatus = (): void => {
    fill(progress, progressOf(pictures, models));
    fill(compared, comparison(pictures, models, titleOf));
    bar.update(pictures, models);
  };
  const arrange = (): void => {
    const shown = ordered(pictures, models, view).filter((picture) => isShown(picture, models, view));
    fill(
      grid,
      shown.map((picture) => cards.get(picture)?.element),
    );
  };

  return {
    element,
    show(nextPictures, nextModels) {
      [pictures, models] = [nextPictures, nextModels];
      const known = cards;
      cards = new Map(
        pictures.map((picture) => [picture, known.get(picture) ?? pictureCard(picture, actionsOf(picture))]),
      );
      for (const card of cards.values()) card.update(models);
      drawStatus();
      arrange();
      const isEmpty = pictures.length === 0;
      fill(element, !isEmpty && [h('div', { class: 'block tight' }, progress, bar.element), grid, compared, help]);
    },
    update(picture) {
      cards.get(picture)?.update(models);
      drawStatus();
    },
    arrange,
  };
}
