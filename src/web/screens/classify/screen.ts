import type { ModelSummary } from '../../api/schema.ts';
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
import { type PictureCard, pictureCard } from './card.ts';
import { exploreConcept } from './concept.ts';
import { explainPicture } from './explain.ts';
import { classifyPictures } from './run.ts';
import { summary } from './summary.ts';

/** Predictions to request: those on the cards, and some more to explain. */
const TOP_K = 5;

/** Classifies images with one or several models. */
export function classifyScreen({ client, session, route }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  let run = new AbortController();
  /** Ids of the models whose classes have synsets. */
  let hierarchies: ReadonlySet<string> = new Set();
  let cards = new Map<SessionPicture, PictureCard>();

  const choice = h('div', { class: 'reserved-choice' });
  const place = h('div');
  const status = h('div', { class: 'block', role: 'status' });
  const trouble = h('div');
  const grid = h('ul', { class: 'cards' });

  const models = (): readonly string[] => session.chosenModels ?? [];

  const add = (files: readonly File[]): void => {
    session.pictures = [...session.pictures, ...files.map(pictureOf)];
    draw();
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
      hasHierarchy: (model) => hierarchies.has(model.split('@')[0] ?? model),
      signal,
      onAnswer: (picture) => {
        cards.get(picture)?.update(models());
        drawStatus();
      },
      onWait: (seconds, { title }) => fill(trouble, notice('caution', title, `Trying again in ${duration(seconds)}.`)),
    }).then(() => {
      if (!signal.aborted) fill(trouble, failures());
    });
  };

  const failures = (): HTMLElement | undefined => {
    const failed = session.pictures.flatMap(({ answers }) =>
      models()
        .map((model) => answers.get(model))
        .filter((answer) => answer?.state === 'failed'),
    );
    return failed[0] && errorNotice(failed[0].error, { label: 'Try again', run: start });
  };

  const drawStatus = (): void => {
    if (session.pictures.length === 0) fill(status);
    else fill(status, summary(session.pictures, models()));
  };

  const draw = (): void => {
    const empty = session.pictures.length === 0;
    fill(place, empty ? emptyState(add) : controls(add, clear));
    const kept = new Map<SessionPicture, PictureCard>();
    for (const picture of session.pictures) {
      const card =
        cards.get(picture) ??
        pictureCard(picture, {
          explain: () => explainPicture(watched, picture, models()),
          remove: () => remove(picture),
          openConcept: (model, synset, answer) => exploreConcept(client, model, synset, answer),
        });
      card.update(models());
      kept.set(picture, card);
    }
    cards = kept;
    fill(grid, ...[...cards.values()].map(({ element }) => element));
    drawStatus();
  };

  const showModels = (known: readonly ModelSummary[]): void => {
    hierarchies = new Set(known.filter(({ hierarchy }) => hierarchy).map(({ id }) => id));
    const asked = route.query.get('model');
    const ids = known.map(({ id }) => id);
    const wanted = asked !== null ? [asked] : (session.chosenModels ?? []);
    const chosen = wanted.filter((id) => ids.includes(id.split('@')[0] ?? id));
    // A version in the address is listed with the models.
    const versions = chosen.filter((id) => !ids.includes(id)).map((id) => ({ id, title: id }));
    session.chosenModels = chosen.length > 0 ? chosen : known.filter((model) => model.default).map(({ id }) => id);
    fill(
      choice,
      modelChoice([...known, ...versions], session.chosenModels, (now) => {
        session.chosenModels = now;
        draw();
        start();
      }),
    );
    draw();
    start();
  };

  const load = (): void => {
    client.call('listModels', { signal: ended.signal }).then(
      ({ models: known }) => showModels(known.filter(isClassifier)),
      (thrown: unknown) => {
        if (!ended.signal.aborted) fill(choice, errorNotice(thrown, { label: 'Try again', run: load }));
      },
    );
  };

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
      h(
        'p',
        {},
        'Classify one image or many, with one model or several. With several models you see where they agree.',
      ),
    ),
    h('fieldset', { class: 'block' }, h('legend', { class: 'legend' }, 'Models'), choice),
    place,
    trouble,
    status,
    grid,
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
    h('span', { class: 'muted small' }, 'You can also drop or paste images.'),
  );
}
