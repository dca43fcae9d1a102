import { RequestError } from '../../api/problem.ts';
import type { Job, JobProgress } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import type { Curves, EpochScores } from '../../components/curves.ts';
import { errorNotice, notice, sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { count, duration, percent } from '../../format.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { isTellable } from '../../time-left.ts';
import { workshopOf } from '../../workshop.ts';
import { resultView } from '../result/view.ts';
import { nameOf, stateTag } from '../teach/job-list.ts';
import { followJob, isOver } from './follow.ts';

/** The phases of a job in their order, and their names. */
const PHASES = [
  ['reading', 'Reading the archive'],
  ['inspecting', 'Extracting features'],
  ['corrupting', 'Corrupting test images'],
  ['augmenting', 'Augmenting'],
  ['searching', 'Searching for better settings'],
  ['training', 'Training the head'],
  ['training_last_stage', 'Training the last stage'],
  ['evaluating', 'Evaluating'],
  ['exporting', 'Saving the model'],
] as const;

/** Phases that only some jobs have. */
const OPTIONAL: ReadonlySet<string> = new Set(['searching', 'training_last_stage']);

/** The progress of a job, then its result. */
export function jobScreen(context: ScreenContext): Screen {
  const { client, route } = context;
  const { drafts, training } = workshopOf(context);
  const id = route.path[1] ?? '';
  const api = apiPanel();
  let keyed = false;
  const watched = client.watched((request) => {
    keyed = request.keyed ?? false;
    api.show(request);
  });
  const ended = new AbortController();
  const { signal } = ended;
  let stopFollowing = (): void => {};
  let drawn: Curves | undefined;
  let closeResult = (): void => {};

  const heading = h('h1', {}, 'Training job');
  const state = h('div', { class: 'row' });
  const body = h('div', { class: 'block reserved-job' });
  const trouble = h('div');
  const age = h('div', { role: 'status' });

  /** Says whether the draft has changed since it was sent. */
  const drawAge = (): void => {
    const { trained, version } = drafts.current;
    const isOld = trained?.job === id && trained.version !== version;
    const words = [
      'You have changed the data set since it was sent. ',
      h('a', { href: '#/teach' }, 'Train again'),
      '.',
    ];
    fill(age, isOld && notice('caution', 'This is of an older draft', words));
  };

  const show = (job: Job): void => {
    fill(heading, isOver(job.state) ? nameOf(job) : `Training ${nameOf(job)}`);
    fill(state, stateTag(job));
    if (job.state === 'succeeded' && job.result && 'quantization' in job.result) {
      const link = h('a', { href: `#/zoo/${job.result.model}` }, 'the card of the model');
      fill(body, h('p', {}, 'The model now answers in 8-bit integers too; ', link, ' says how well.'));
    } else if (job.state === 'succeeded' && job.result && 'promoted' in job.result) {
      const { model, version } = job.result;
      const tab = route.query.get('tab');
      const result = resultView({ client: watched, model, version, drafts, tab, isKeyed: () => keyed });
      closeResult = result.close;
      fill(body, result.element);
    } else if (job.failure) fill(body, failure(job));
    else if (job.state === 'cancelled') {
      fill(
        body,
        h(
          'p',
          {},
          'The job was cancelled. No model was created. ',
          h('a', { href: '#/teach' }, 'Back to the images'),
          '.',
        ),
      );
    } else run(job);
  };

  const run = (job: Job): void => {
    const epochs: EpochScores[] = [];
    // Without a value, until the job has begun, it moves.
    const bar = h('progress', { max: 1, 'aria-label': 'Progress of the job' });
    const words = h('p', { class: 'row spread', role: 'status' });
    const phases = h('ol', { class: 'phases' });
    const plots = h('div', { class: 'reserved-curves' });
    const cancel = h('button', { type: 'button', class: 'danger' }, icon('stop'), 'Cancel');
    cancel.addEventListener('click', () => {
      cancel.disabled = true;
      watched.call('cancelJob', { path: { id }, signal }).then(show, (thrown: unknown) => {
        cancel.disabled = false;
        // It has ended meanwhile.
        if (thrown instanceof RequestError && thrown.code === 'job_finished') void load();
        else if (!signal.aborted) fill(trouble, errorNotice(thrown));
      });
    });
    let phaseSeen = { phase: '', at: 0 };
    const onProgress = (progress: JobProgress): void => {
      if (progress.phase !== phaseSeen.phase) phaseSeen = { phase: progress.phase, at: performance.now() };
      const share = (progress.done ?? 0) / (progress.total || 1);
      const isKnown = isTellable(share, performance.now() - phaseSeen.at);
      // An estimate of the whole may go back when a phase turns out longer; what is done stays done.
      bar.value = Math.max(bar.value, progress.fraction);
      fill(
        words,
        h('span', {}, describe(isKnown ? progress : { ...progress, seconds_left: undefined })),
        h('span', { class: 'muted number' }, percent(bar.value, 0)),
      );
      fill(phases, phaseList(progress.phase));
      const { phase, loss, accuracy, done, val_loss, val_accuracy } = progress;
      if (phase !== 'training' || loss === undefined || accuracy === undefined) return;
      const epoch = done ?? epochs.length + 1;
      // A stream that was opened again repeats the events.
      while ((epochs.at(-1)?.epoch ?? 0) >= epoch) epochs.pop();
      epochs.push({ epoch, loss, accuracy, val_loss, val_accuracy });
      draw();
    };
    const draw = (): void => {
      if (drawn === undefined || epochs.length === 0) return;
      if (!drawn.element.isConnected) fill(plots, drawn.element);
      drawn.draw(epochs);
    };
    fill(body, h('div', { class: 'panel block' }, bar, words, phases, h('div', { class: 'row' }, cancel)), plots);
    fill(words, job.state === 'queued' ? 'Waiting: one job runs at a time.' : 'Starting …');
    if (job.progress) onProgress(job.progress);
    void import('../../components/curves.ts').then(({ curves }) => {
      if (signal.aborted || !plots.isConnected) return;
      drawn = curves();
      draw();
    });
    stopFollowing = followJob(id, {
      onProgress: (progress) => {
        fill(state, stateTag({ state: 'running' }));
        onProgress(progress);
      },
      onState: (now) => {
        if (isOver(now)) void load();
        else fill(state, stateTag({ state: now }));
      },
      onConnection: (connected) =>
        fill(
          trouble,
          !connected && notice('caution', 'Connection lost', 'The job continues on the server. Reconnecting …'),
        ),
    });
  };

  const load = async (): Promise<void> => {
    stopFollowing();
    drawn?.close();
    drawn = undefined;
    try {
      const job = await watched.call('describeJob', { path: { id }, signal });
      fill(trouble);
      show(job);
    } catch (thrown) {
      if (signal.aborted) return;
      const gone = thrown instanceof RequestError && thrown.status === 404;
      if (gone) fill(heading, 'Job not found');
      body.hidden = gone;
      fill(
        trouble,
        gone
          ? h('p', {}, `${sentence(thrown.message)} `, h('a', { href: '#/teach' }, 'All jobs'))
          : errorNotice(thrown, { label: 'Try again', run: () => void load() }),
      );
    }
  };

  void load();
  void drafts.open().then(() => {
    drawAge();
    // It has arrived: the badge in the navigation has said enough.
    if (drafts.current.trained?.job === id && training.state.phase === 'answered') training.clear();
  });
  return {
    title: 'Training',
    element: h(
      'div',
      { class: 'screen job' },
      h('div', { class: 'lead' }, h('p', {}, h('a', { href: '#/teach' }, 'Teach')), heading, state),
      trouble,
      age,
      body,
      api.element,
    ),
    close: () => {
      ended.abort();
      stopFollowing();
      closeResult();
      drawn?.close();
    },
  };
}

function failure({ failure: failed, state }: Job): HTMLElement {
  return h(
    'div',
    { class: 'block' },
    notice('bad', state === 'failed' ? 'Training failed' : 'Training stopped', sentence(failed?.message ?? '')),
    h('p', {}, h('a', { href: '#/teach' }, 'Back to the images')),
  );
}

/** `Extracting features: 120 of 400, about 20 s left in this phase` */
function describe({ phase, done, total, seconds_left, rung, rungs, best_accuracy }: JobProgress): string {
  const name = PHASES.find(([known]) => known === phase)?.[1] ?? phase;
  const parts: string[] = [];
  if (done !== undefined && total !== undefined) parts.push(`${count(done)} of ${count(total)}`);
  if (rungs !== undefined && best_accuracy !== undefined) {
    parts.push(`rung ${rung} of ${rungs}`, `best so far ${percent(best_accuracy)}`);
  }
  if (seconds_left !== undefined && seconds_left > 0) parts.push(`about ${duration(seconds_left)} left in this phase`);
  return parts.length === 0 ? name : `${name}: ${parts.join(', ')}`;
}

function phaseList(current: string): HTMLElement[] {
  const at = PHASES.findIndex(([phase]) => phase === current);
  return PHASES.filter(([phase]) => !OPTIONAL.has(phase) || phase === current).map(([phase, name]) => {
    const index = PHASES.findIndex(([each]) => each === phase);
    const kind = index < at ? 'done' : index === at ? 'now' : '';
    return h('li', { class: kind, 'aria-current': index === at && 'step' }, index < at && icon('check'), name);
  });
}
