import { RequestError } from '../../api/problem.ts';
import type { ModelList, ModelSummary } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { acceptDrops, acceptPastes } from '../../components/drops.ts';
import { modelChoice } from '../../components/model-choice.ts';
import { errorNotice, notice } from '../../components/notice.ts';
import { cameraButton, pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import { duration } from '../../format.ts';
import { isClassifier } from '../../model-kinds.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { pictureOf, type SessionPicture } from '../../session.ts';
import { SURENESS_HELP } from '../../sureness.ts';
import { type PictureCard, pictureCard } from './card.ts';
import { exploreConcept } from './concept.ts';
import { explainPicture } from './explain.ts';
import { knowledge } from './knowledge.ts';
import { classifyPictures } from './run.ts';
import { comparison, progressOf } from './summary.ts';
import { isShown, ordered, toolbar, type View, WHOLE_VIEW } from './toolbar.ts';

/** Predictions to request: those on the cards, and some more to explain. */
const TOP_K = 5;

/** Classifies images with one or several models. */
export function classifyScreen({ client, session, route }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  let run = new AbortController();
  let list: ModelList = { models: [], unavailable: [], not_pulled: [] };
  let cards = new Map<SessionPicture, PictureCard>();
  let view: View = WHOLE_VIEW;

  const choice = h('div', { class: 'block tight reserved-choice' });
  const place = h('div');
  const status = h('p', { class: 'muted', role: 'status' });
  const compared = h('div');
  const trouble = h('div');
  const bar = toolbar((next) => {
    view = next;
    drawCards();
  });
  const results = h('section', { class: 'block results', 'aria-label': 'Results' });
  const grid = h('ul', { class: 'cards' });
  const help = h(
    'details',
    { class: 'small help' },
    h('summary', {}, 'What sure, leaning and guessing mean'),
    h('p', { class: 'muted' }, SURENESS_HELP),
  );

  const models = (): readonly string[] => session.chosenModels ?? [];
  const summaryOf = (model: string) => list.models.find(({ id }) => id === model.split('@')[0]);
  const titleOf = (model: string): string => (model.includes('@') ? model : (summaryOf(model)?.title ?? model));

  const add = (files: readonly File[]): void => {
    const first = session.pictures.length === 0;
    session.pictures = [...session.pictures, ...files.map(pictureOf)];
    draw();
    // The answers are what one came for: they are not left below the edge of the window.
    if (first && results.getBoundingClientRect().top > innerHeight / 2) results.scrollIntoView();
    start();
  };

  const remove = (picture: SessionPicture): void => {
    session.pictures = session.pictures.filter((each) => each !== picture);
    URL.revokeObjectURL(picture.url);
    draw();
  };

  const clear = (): void => {
    run.abort();
    for (const { url } of session.pictures) URL.revokeObjectURL(url);
    session.pictures = [];
    draw();
  };

  const start = (): void => {
    run.abort();
    run = new AbortController();
    const { signal } = run;
    fill(trouble);
    if (models().length === 0) return;
    void classifyPictures({
      client: watched,
      pictures: session.pictures,
      models: models(),
      topK: TOP_K,
      hasHierarchy: (model) => summaryOf(model)?.hierarchy ?? false,
      signal,
      onAnswer: (picture) => {
        cards.get(picture)?.update(models());
        drawStatus();
      },
      onWait: (seconds, { title, message }) =>
        fill(trouble, notice('caution', title, `${message} Trying again in ${duration(seconds)}.`)),
    }).then(() => {
      if (signal.aborted) return;
      fill(trouble, failures());
      drawCards();
    });
  };

  /** Why a model could not be asked, and what to do. */
  const failures = (): HTMLElement | undefined => {
    for (const model of models()) {
      for (const { answers } of session.pictures) {
        const answer = answers.get(model);
        if (answer?.state === 'failed') return failure(model, answer.error);
      }
    }
    return undefined;
  };

  const failure = (model: string, error: unknown): HTMLElement => {
    if (!(error instanceof RequestError && error.code === 'model_not_loaded')) {
      return errorNotice(error, { label: 'Try again', run: start });
    }
    const load = (): void => {
      fill(trouble, h('p', { class: 'muted', role: 'status' }, 'Loading the model …'));
      watched.call('loadModel', { path: { id: model }, signal: ended.signal }).then(start, (thrown: unknown) => {
        if (!ended.signal.aborted) fill(trouble, errorNotice(thrown, { label: 'Try again', run: load }));
      });
    };
    const words = 'It was unloaded, and answers nothing until it is loaded again.';
    return notice('bad', `${titleOf(model)} is not loaded`, words, { label: 'Load it', run: load });
  };

  const drawStatus = (): void => {
    fill(status, progressOf(session.pictures, models()));
    fill(compared, comparison(session.pictures, models(), titleOf));
    bar.update(session.pictures, models());
  };

  /** Puts the cards in order, which happens when all have results or the user asks: they do not jump meanwhile. */
  const drawCards = (): void => {
    const shown = ordered(session.pictures, models(), view).filter((picture) => isShown(picture, models(), view));
    fill(
      grid,
      shown.map((picture) => cards.get(picture)?.element),
    );
  };

  const draw = (): void => {
    const empty = session.pictures.length === 0;
    fill(place, empty ? emptyState(add) : controls(add, clear));
    const kept = new Map<SessionPicture, PictureCard>();
    for (const picture of session.pictures) {
      const card =
        cards.get(picture) ??
        pictureCard(picture, {
          explain: () => explainPicture(watched, picture, models(), titleOf),
          remove: () => remove(picture),
          openConcept: (model, synset, answer) => exploreConcept(client, model, synset, answer),
          titleOf,
        });
      card.update(models());
      kept.set(picture, card);
    }
    cards = kept;
    drawStatus();
    drawCards();
    fill(results, !empty && [h('div', { class: 'block tight' }, status, bar.element), grid, compared, help]);
  };

  const choose = (now: readonly string[]): void => {
    session.chosenModels = now;
    drawChoice();
    draw();
    start();
  };

  const drawChoice = (): void => {
    const known = list.models.filter(isClassifier);
    // A version in the address is listed with the models.
    const versions = models().filter((id) => id.includes('@'));
    fill(
      choice,
      modelChoice([...sorted(known), ...versions.map((id) => ({ id, title: id }))], models(), choose),
      knowledge(list, models(), {
        client: watched,
        session,
        signal: ended.signal,
        onUse: (model) => {
          session.chosenModels = [model];
          load();
        },
      }),
    );
  };

  const showModels = (loaded: ModelList): void => {
    list = loaded;
    const known = list.models.filter(isClassifier);
    const isKnown = (id: string): boolean => known.some((model) => model.id === id.split('@')[0]);
    const chosen = models().filter(isKnown);
    choose(chosen.length > 0 ? chosen : known.filter((model) => model.default).map(({ id }) => id));
  };

  const load = (): void => {
    client.call('listModels', { signal: ended.signal }).then(showModels, (thrown: unknown) => {
      if (!ended.signal.aborted) fill(choice, errorNotice(thrown, { label: 'Try again', run: load }));
    });
  };

  const asked = route.query.get('model');
  if (asked !== null) session.chosenModels = [asked];
  draw();
  load();
  const stopPastes = acceptPastes(add);
  const element = h(
    'div',
    { class: 'screen classify' },
    h(
      'div',
      { class: 'lead' },
      h('h1', {}, 'What is in the image?'),
      h('p', {}, 'Classify images with one model, or with several to see where they agree.'),
    ),
    h('fieldset', { class: 'block' }, h('legend', { class: 'legend' }, 'Models'), choice),
    place,
    trouble,
    results,
    api.element,
  );
  acceptDrops(element, add);
  return {
    title: 'Classify',
    element,
    close: () => {
      ended.abort();
      run.abort();
      stopPastes();
    },
  };
}

/** The default model first, the others by title. */
function sorted(models: readonly ModelSummary[]): ModelSummary[] {
  return models.toSorted((a, b) => Number(b.default) - Number(a.default) || a.title.localeCompare(b.title));
}

function emptyState(onFiles: (files: readonly File[]) => void): HTMLElement {
  return h(
    'div',
    { class: 'drop large' },
    icon('pictures'),
    h('h2', {}, 'Drop images here'),
    h(
      'p',
      { class: 'muted' },
      'or paste them, choose files, or use the camera. Formats: JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC.',
    ),
    h('div', { class: 'row' }, pickButton('Choose images', { onFiles }, true), cameraButton(onFiles)),
  );
}

function controls(onFiles: (files: readonly File[]) => void, clear: () => void): HTMLElement {
  return h(
    'div',
    { class: 'drop row' },
    pickButton('Add images', { onFiles }, true),
    cameraButton(onFiles),
    h('button', { type: 'button', class: 'quiet', onclick: clear }, 'Remove all'),
    h('span', { class: 'muted small hint' }, 'You can also drop or paste images.'),
  );
}
