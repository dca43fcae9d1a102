import { RequestError } from '../../api/problem.ts';
import type { Job, JobProgress } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import type { Curves, EpochScores } from '../../components/curves.ts';
import { errorNotice, notice, sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { count, duration, percent } from '../../format.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { resultView } from '../result/view.ts';
import { nameOf, stateTag } from '../teach/job-list.ts';
import { followJob, isOver } from './follow.ts';

/** The phases of a job in their order, as people call them. */
const PHASES = [
  ['reading', 'reading'],
  ['inspecting', 'looking at the pictures'],
  ['augmenting', 'looking at varied copies'],
  ['searching', 'searching for settings'],
  ['training', 'training the head'],
  ['evaluating', 'judging it'],
  ['exporting', 'writing the model'],
] as const;

/** A job while it runs, and what came of it. Its address holds its id, so that a reload finds it again. */
export function jobScreen({ client, route }: ScreenContext): Screen {
  const id = route.path[1] ?? '';
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  let stopFollowing = (): void => {};
  let drawn: Curves | undefined;
  let closeResult = (): void => {};

  const heading = h('h1', {}, 'A training');
  const state = h('div', { class: 'row' });
  const body = h('div', { class: 'block reserved-job' });
  const trouble = h('div');

  const show = (job: Job): void => {
    fill(heading, isOver(job.state) ? nameOf(job) : `Training ${nameOf(job)}`);
    fill(state, stateTag(job));
    if (job.state === 'succeeded' && job.result) {
      const result = resultView({ client: watched, model: job.result.model, version: job.result.version });
      closeResult = result.close;
      fill(body, result.element);
    } else if (job.failure) fill(body, failure(job));
    else if (job.state === 'cancelled') {
      fill(
        body,
        h(
          'p',
          {},
          'It was cancelled, and nothing of it is left. ',
          h('a', { href: '#/teach' }, 'Back to the pictures'),
          '.',
        ),
      );
    } else run(job);
  };

  const run = (job: Job): void => {
    const epochs: EpochScores[] = [];
    const bar = h('progress', { max: 1, value: job.progress?.fraction ?? 0, 'aria-label': 'How far the job is' });
    const words = h('p', { class: 'row spread', role: 'status' });
    const phases = h('ol', { class: 'phases' });
    const plots = h('div', { class: 'reserved-curves' });
    const cancel = h('button', { type: 'button', class: 'danger' }, icon('stop'), 'Cancel');
    cancel.addEventListener('click', () => {
      cancel.disabled = true;
      watched.call('cancelJob', { path: { id }, signal }).then(show, (thrown: unknown) => {
        cancel.disabled = false;
        // It ended meanwhile: then that is shown.
        if (thrown instanceof RequestError && thrown.code === 'job_finished') void load();
        else if (!signal.aborted) fill(trouble, errorNotice(thrown));
      });
    });
    const onProgress = (progress: JobProgress): void => {
      bar.value = progress.fraction;
      bar.setAttribute('value', String(progress.fraction));
      fill(
        words,
        h('span', {}, describe(progress)),
        h('span', { class: 'muted number' }, percent(progress.fraction, 0)),
      );
      fill(phases, phaseList(progress.phase));
      const { phase, loss, accuracy, done, val_loss, val_accuracy } = progress;
      if (phase !== 'training' || loss === undefined || accuracy === undefined) return;
      epochs.push({ epoch: done ?? epochs.length + 1, loss, accuracy, val_loss, val_accuracy });
      drawn?.draw(epochs);
    };
    fill(body, h('div', { class: 'panel block' }, bar, words, phases, h('div', { class: 'row' }, cancel)), plots);
    fill(words, job.state === 'queued' ? 'It waits for its turn: one job runs at a time.' : 'It begins …');
    if (job.progress) onProgress(job.progress);
    void import('../../components/curves.ts').then(({ curves }) => {
      if (signal.aborted || !plots.isConnected) return;
      drawn = curves();
      fill(plots, drawn.element);
      drawn.draw(epochs);
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
          !connected &&
            notice(
              'caution',
              'The connection was lost',
              'The job goes on without this page; it tries to connect again.',
            ),
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
      if (gone) fill(heading, 'There is no such job');
      fill(
        trouble,
        gone
          ? h('p', {}, `${sentence(thrown.message)} `, h('a', { href: '#/teach' }, 'Jobs that there are'), '.')
          : errorNotice(thrown, { label: 'Try again', run: () => void load() }),
      );
    }
  };

  void load();
  return {
    title: 'Training',
    element: h(
      'div',
      { class: 'screen job' },
      h('div', { class: 'lead' }, h('p', {}, h('a', { href: '#/teach' }, 'Teach')), heading, state),
      trouble,
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
    notice('bad', state === 'failed' ? 'The training failed' : 'The training stopped', sentence(failed?.message ?? '')),
    h('p', {}, h('a', { href: '#/teach' }, 'Back to the pictures'), '.'),
  );
}

/** `looking at the pictures, 120 of 400, about 20 s left` */
function describe({ phase, done, total, seconds_left }: JobProgress): string {
  const name = PHASES.find(([known]) => known === phase)?.[1] ?? phase;
  const parts = [name.charAt(0).toUpperCase() + name.slice(1)];
  if (done !== undefined && total !== undefined) parts.push(`${count(done)} of ${count(total)}`);
  if (seconds_left !== undefined && seconds_left > 0) parts.push(`about ${duration(seconds_left)} left of this step`);
  return parts.join(', ');
}

function phaseList(current: string): HTMLElement[] {
  const at = PHASES.findIndex(([phase]) => phase === current);
  return PHASES.filter(([phase]) => phase !== 'searching' || current === 'searching').map(([phase, name]) => {
    const index = PHASES.findIndex(([each]) => each === phase);
    const kind = index < at ? 'done' : index === at ? 'now' : '';
    return h('li', { class: kind, 'aria-current': index === at && 'step' }, index < at && icon('check'), name);
  });
}
