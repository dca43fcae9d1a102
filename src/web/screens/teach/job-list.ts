import type { Job } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { percent } from '../../format.ts';
import { hrefOf } from '../../router.ts';

/** Number of jobs to list. */
const SHOWN_JOBS = 6;

/** The newest jobs, each a link to its screen. */
export function jobList(jobs: readonly Job[]): HTMLElement {
  return h(
    'ul',
    { class: 'jobs' },
    jobs
      .slice(0, SHOWN_JOBS)
      .map((job) =>
        h(
          'li',
          {},
          h(
            'a',
            { href: hrefOf(['jobs', job.id]) },
            h('span', { class: 'name' }, nameOf(job)),
            stateTag(job),
            h('span', { class: 'muted small' }, outcome(job)),
          ),
        ),
      ),
  );
}

/** The name of the model that a job trains. */
export function nameOf({ options, result }: Job): string {
  return result === null ? String(options['name'] ?? 'model') : `${result.model}, version ${result.version}`;
}

const KINDS: Readonly<Record<Job['state'], string>> = {
  queued: '',
  running: 'accent',
  succeeded: 'accent',
  failed: 'bad',
  cancelled: '',
};

export function stateTag({ state }: Pick<Job, 'state'>): HTMLElement {
  return h('span', { class: `tag ${KINDS[state]}` }, state);
}

function outcome({ state, progress, result, failure, created_at }: Job): string {
  if (state === 'running' && progress) return `${percent(progress.fraction, 0)}, ${progress.phase}`;
  if (failure) return failure.message;
  const accuracy = result && 'summary' in result ? result.summary.accuracy : undefined;
  return [
    accuracy !== undefined && `${percent(accuracy)} accuracy`,
    new Date(created_at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }),
  ]
    .filter((part) => part !== false)
    .join(', ');
}
