import { RequestError } from '../../api/problem.ts';
import type { ModelList, ModelSummary } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { acceptDrops, acceptPastes } from '../../components/drops.ts';
import { modelChoice } from '../../components/model-choice.ts';
import { errorNotice, notice } from '../../components/notice.ts';
import { showToast } from '../../components/toast.ts';
import { fill, h } from '../../dom.ts';
import { counted, duration } from '../../format.ts';
import { isClassifier } from '../../model-kinds.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { pictureOf, type SessionPicture } from '../../session.ts';
import { firstPictures, morePictures } from './add-pictures.ts';
import { exploreConcept } from './concept.ts';
import { explainPicture } from './explain.ts';
import { knowledge } from './knowledge.ts';
import { resultsView } from './results.ts';
import { classifyPictures } from './run.ts';

/** Predictions to request: those on the cards, and some more to explain. */
const TOP_K = 5;

/** Classifies images with one or several models. */
export function classifyScreen({ client, session, route }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  let run = new AbortController();
  let list: ModelList = { models: [], unavailable: [], not_pulled: [] };
  /** Whether the first images have been added, and their results are to be brought into sight. */
  let resultsAreNew = false;

  const models = (): readonly string[] => session.chosenModels ?? [];
  const summaryOf = (model: string) => list.models.find(({ id }) => id === model.split('@')[0]);
  const titleOf = (model: string): string => (model.includes('@') ? model : (summaryOf(model)?.title ?? model));

  const choice = h('div', { class: 'block tight awaited-choice' });
  const place = h('div');
  const trouble = h('div');
  const results = resultsView({
    titleOf,
    actionsOf: (picture) => ({
      explain: () => explainPicture(watched, picture, models(), titleOf),
      remove: () => remove([picture], `“${picture.file.name}”`),
      openConcept: (model, synset, answer) => exploreConcept(client, model, synset, answer),
      titleOf,
    }),
  });

  const add = (files: readonly File[]): void => {
    resultsAreNew ||= session.pictures.length === 0;
    session.pictures = [...session.pictures, ...files.map(pictureOf)];
    draw();
    start();
  };

  /** Removes images; one click brings them back, with their answers. */
  const remove = (removed: readonly SessionPicture[], what: string): void => {
    const places = [...session.pictures.entries()].filter(([, picture]) => removed.includes(picture));
    session.pictures = session.pictures.filter((picture) => !removed.includes(picture));
    for (const { url } of removed) URL.revokeObjectURL(url);
    draw();
    const undo = (): void => {
      const next = [...session.pictures];
      for (const [place, picture] of places)
        next.splice(place, 0, { ...picture, url: URL.createObjectURL(picture.file) });
      session.pictures = next;
      if (ended.signal.aborted) return;
      draw();
      start();
    };
    showToast(`Removed ${what}.`, { label: 'Undo', run: undo });
  };

  const clear = (): void => {
    run.abort();
    remove(session.pictures, counted(session.pictures.length, 'image'));
  };

  const draw = (): void => {
    fill(place, session.pictures.length === 0 ? firstPictures(add) : morePictures(add, clear));
    results.show(session.pictures, models());
  };

  const start = (): void => {
    run.abort();
    run = new AbortController();
    const { signal } = run;
    fill(trouble);
    // Images may be there before the models are listed, and the results appear after these.
    if (models().length === 0 || list.models.length === 0) return;
    bringIntoSight();
    void classifyPictures({
      client: watched,
      pictures: session.pictures,
      models: models(),
      topK: TOP_K,
      hasHierarchy: (model) => summaryOf(model)?.hierarchy ?? false,
      signal,
      onAnswer: results.update,
      onWait: (seconds, { title, message }) =>
        fill(trouble, notice('caution', title, `${message} Trying again in ${duration(seconds)}.`)),
    }).then(() => {
      if (signal.aborted) return;
      fill(trouble, failures());
      results.arrange();
    });
  };

  /** The answers are what one came for: they are not left below the edge of the window. */
  const bringIntoSight = (): void => {
    const { element } = results;
    if (resultsAreNew && element.getBoundingClientRect().top > innerHeight / 2) element.scrollIntoView();
    resultsAreNew = false;
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

  const choose = (now: readonly string[]): void => {
    session.chosenModels = now;
    drawChoice();
    draw();
    start();
  };

  const drawChoice = (): void => {
    // A version in the address is listed with the models.
    const versions = models().filter((id) => id.includes('@'));
    const onUse = (model: string): void => {
      session.chosenModels = [model];
      loadModels();
    };
    fill(
      choice,
      modelChoice(
        [...sorted(list.models.filter(isClassifier)), ...versions.map((id) => ({ id, title: id }))],
        models(),
        choose,
      ),
      knowledge(list, models(), { client: watched, session, signal: ended.signal, onUse }),
    );
  };

  const showModels = (loaded: ModelList): void => {
    list = loaded;
    const known = list.models.filter(isClassifier);
    const chosen = models().filter((id) => known.some((model) => model.id === id.split('@')[0]));
    choose(chosen.length > 0 ? chosen : known.filter((model) => model.default).map(({ id }) => id));
  };

  const loadModels = (): void => {
    client.call('listModels', { signal: ended.signal }).then(showModels, (thrown: unknown) => {
      if (!ended.signal.aborted) fill(choice, errorNotice(thrown, { label: 'Try again', run: loadModels }));
    });
  };

  const asked = route.query.get('model');
  if (asked !== null) session.chosenModels = [asked];
  draw();
  loadModels();
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
    place,
    h('fieldset', { class: 'block' }, h('legend', { class: 'legend' }, 'Models'), choice),
    trouble,
    results.element,
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
