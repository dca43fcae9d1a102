import { RequestError } from '../../api/problem.ts';
import type { Job } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { acceptDrops } from '../../components/drops.ts';
import { errorNotice, notice } from '../../components/notice.ts';
import { showToast } from '../../components/toast.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { trainingQuery, whatIsMissing } from '../../draft/draft.ts';
import { counted } from '../../format.ts';
import { go, hrefOf } from '../../router.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { workshopOf } from '../../workshop.ts';
import { conceptChoices } from './concepts.ts';
import { datasetEditor } from './dataset-editor.ts';
import { jobList } from './job-list.ts';
import { lastTrained } from './last-trained.ts';
import { preflightView } from './preflight.ts';
import { previewPanel } from './preview.ts';
import { progressView } from './progress.ts';
import { type TrainingForm, trainingForm } from './training-form.ts';

/** Prepares and checks a data set, and starts a training job. */
export function teachScreen(context: ScreenContext): Screen {
  const { client } = context;
  const { drafts, check, training } = workshopOf(context);
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;

  const inspect = (): void => {
    if (check.isUnderway && check.draft?.version === drafts.current.version) return;
    check.clear();
    const { encoding } = trainingQuery(drafts.current);
    check.start(watched, drafts.current, { dry_run: true, encoding });
  };
  const train = (): void => {
    training.start(watched, drafts.current, trainingQuery(drafts.current));
    // Its button is locked now.
    sending.element.querySelector('button')?.focus();
  };

  const editor = datasetEditor(drafts, inspect);
  /** Empty until it is known what was kept, since what is below the images would move. */
  const steps = h('div', { class: 'screen reserved-steps' });
  const unkept = h('div');
  const checkButton = h('button', { type: 'button', onclick: inspect }, icon('eye'), 'Check the data set');
  const missing = h('p', { class: 'muted' });
  const checking = progressView(check, 'The server is checking every image …', true);
  const checkAge = h('div', { role: 'status' });
  const report = h('div', { class: 'block' });
  const formPlace = h('div', { class: 'reserved-form' });
  const sending = progressView(training, 'The server is taking the data set …', false);
  const sendingAge = h('p', { class: 'muted', role: 'status' });
  const sentBefore = h('p', { class: 'muted', role: 'status' });
  const failure = h('div', { class: 'block' });
  const preview = previewPanel(watched, signal);
  const jobs = h('div', { class: 'block' });
  let form: TrainingForm | undefined;
  let drawnCheck: unknown;

  const draw = (): void => {
    const draft = drafts.current;
    const reason = whatIsMissing(draft);
    say(unkept, drafts.trouble, keptBadly);
    checkButton.disabled = reason !== undefined || (check.isUnderway && check.draft?.version === draft.version);
    fill(missing, reason ?? (check.state.phase !== 'failed' && 'The data set is ready.'));
    form?.update(draft.options, reason === undefined ? undefined : 'Add images first.', training.isUnderway);
    const isOld = check.state.phase === 'answered' && check.draft?.version !== draft.version;
    say(checkAge, isOld ? 'old' : undefined, () => outdatedReport(inspect));
    drawOutcome();
  };

  const drawCheck = (): void => {
    checking.update();
    draw();
    const { state } = check;
    // A report has images, which would flicker.
    if (drawnCheck === state) return;
    drawnCheck = state;
    if (state.phase === 'failed') fill(report, errorNotice(state.error, { label: 'Try again', run: inspect }));
    else if (state.phase !== 'answered') fill(report);
    else if ('will_train' in state.answer) {
      const concepts = conceptChoices(state.answer, drafts.current.synsets, (synsets) =>
        drafts.edit(() => ({ synsets })),
      );
      fill(report, preflightView(state.answer, state.dataset), concepts);
    } else fill(report, errorNotice(new Error('The server started a training instead of a check.')));
  };

  const drawTraining = (): void => {
    sending.update();
    draw();
    drawFailure();
    const { state } = training;
    if (state.phase === 'answered' && 'state' in state.answer) {
      training.clear();
      go(['jobs', state.answer.id]);
    }
  };

  const drawOutcome = (): void => {
    const { trained, version } = drafts.current;
    const isEdited = training.isUnderway && training.draft?.version !== version;
    say(sendingAge, isEdited ? 'edited' : undefined, () => OF_OLDER_DRAFT);
    if (trained === undefined || training.state.phase !== 'idle') {
      say(sentBefore, undefined, () => undefined);
      return;
    }
    const words =
      trained.version === version
        ? 'This data set has been sent. '
        : 'You have changed the data set since its last training. ';
    say(sentBefore, words, () => [words, h('a', { href: hrefOf(['jobs', trained.job]) }, 'See its job')]);
  };

  const drawFailure = (): void => {
    const { state } = training;
    fill(failure);
    if (state.phase !== 'failed') return;
    const isUnsure = state.error instanceof RequestError && state.error.code === 'unreachable';
    fill(
      failure,
      errorNotice(state.error, { label: 'Try again', run: train }),
      isUnsure && h('p', {}, 'The training may have begun all the same: look at the jobs below before you try again.'),
    );
    if (isUnsure) loadJobs().catch(() => undefined);
  };

  const loadJobs = async (): Promise<readonly Job[]> => {
    const listed = await client.call('listJobs', { signal });
    if (listed.jobs.length > 0) fill(jobs, h('h2', {}, 'Jobs'), jobList(listed.jobs));
    return listed.jobs;
  };

  const load = async (): Promise<void> => {
    const [{ models }, listed] = await Promise.all([client.call('listModels', { signal }), loadJobs()]);
    const onOptions = (changes: object): void =>
      drafts.edit(({ options }) => ({ options: { ...options, ...changes } }));
    form = trainingForm(models, onOptions, train);
    fill(formPlace, form.element);
    preview.show(lastTrained(models, listed));
    draw();
  };

  const start = (): void => {
    load().catch((thrown: unknown) => {
      if (!signal.aborted) fill(formPlace, errorNotice(thrown, { label: 'Try again', run: start }));
    });
  };

  const stops = [check.watch(drawCheck), training.watch(drawTraining)];
  void drafts.open().then(() => {
    if (signal.aborted) return;
    fill(
      steps,
      h(
        'section',
        { class: 'block', 'aria-labelledby': 'step-1' },
        stepHeading(1, 'Images'),
        unkept,
        h('div', { class: 'teach-images' }, editor.element, preview.element),
      ),
      h(
        'section',
        { class: 'block', 'aria-labelledby': 'step-2' },
        stepHeading(2, 'Check'),
        h('div', { class: 'row' }, checkButton, missing),
        checking.element,
        checkAge,
        report,
      ),
      h(
        'section',
        { class: 'block', 'aria-labelledby': 'step-3' },
        stepHeading(3, 'Train'),
        formPlace,
        sending.element,
        sendingAge,
        sentBefore,
        failure,
      ),
      jobs,
      api.element,
    );
    stops.push(drafts.watch(draw), editor.start());
    if (drafts.lost > 0)
      showToast(`The browser has lost ${counted(drafts.lost, 'file')} of the draft. Add them again.`);
    // It was sent while another screen was shown; the text below says so.
    if (training.state.phase === 'answered') training.clear();
    drawCheck();
    sending.update();
    start();
    drawFailure();
  });
  const element = h(
    'div',
    { class: 'screen teach' },
    h(
      'div',
      { class: 'lead' },
      h('h1', {}, 'Teach a model your own classes'),
      h(
        'p',
        {},
        'Add a few dozen images of each class. A pretrained network extracts their features, and a new head learns to tell the classes apart. This takes minutes on a laptop.',
      ),
    ),
    steps,
  );
  acceptDrops(element, editor.take);
  return {
    title: 'Teach',
    element,
    close: () => {
      ended.abort();
      editor.close();
      // The user has seen it.
      if (training.state.phase === 'failed') training.clear();
      for (const stop of stops) stop();
    },
  };
}

const OF_OLDER_DRAFT = 'What is sent is the draft as it was when you clicked Train. Train again for the changes since.';

/**
 * Fills a place when it has something else to say: what is drawn again is read out again, and loses the focus.
 * @param key tells what it says; undefined for nothing
 */
function say(place: HTMLElement, key: string | undefined, content: (key: string) => Child): void {
  if (place.dataset['says'] === key) return;
  if (key === undefined) delete place.dataset['says'];
  else place.dataset['says'] = key;
  fill(place, key !== undefined && content(key));
}

function stepHeading(step: number, text: string): HTMLElement {
  return h('h2', { class: 'step', id: `step-${step}` }, h('span', { 'aria-hidden': 'true' }, step), text);
}

function keptBadly(reason: string): HTMLElement {
  return notice(
    'caution',
    'This draft is not kept',
    `${reason} What you added is here until this page is closed or loaded again: train before that, or make a zip of the images.`,
  );
}

function outdatedReport(checkAgain: () => void): HTMLElement {
  return notice('caution', 'This is the check of an older draft', 'You have changed the data set since.', {
    label: 'Check again',
    run: checkAgain,
  });
}
