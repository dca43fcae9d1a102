import { type Fact, factsOf, type SeenJob, type Span } from '../history.ts';
import type { Rule, Violation } from './violation.ts';

/** Jobs that have ended and are kept; older ones are forgotten. */
const KEPT = 100;
const FINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
/** Why a job may fail that had nothing wrong with it. */
const EXCUSED: ReadonlySet<string> = new Set(['worker_lost', 'storage_full', 'storage_unavailable']);

/** A job as a replica showed it. */
interface Sighting extends Span {
  readonly replica: string;
  readonly job: SeenJob;
}

/** No key, and no submission, has two jobs. */
export const oneJobForAKey: Rule = (facts) => {
  const violations: Violation[] = [];
  const known = new Map<number, string>();
  const note = (mark: number, id: string, at: number, how: string): void => {
    const before = known.get(mark) ?? id;
    known.set(mark, before);
    if (before !== id)
      violations.push({ rule: 'one job for a key', at, detail: `key-${mark} ${how} ${before} and ${id}` });
  };
  for (const { mark, job, at } of factsOf(facts, 'submit')) if (job !== null) note(mark, job, at, 'was answered with');
  for (const { job, at } of sightingsIn(facts)) note(job.mark, job.id, at, 'has the jobs');
  const sent = new Set(factsOf(facts, 'submit').map(({ mark }) => mark));
  const strangers = sightingsIn(facts).filter(({ job }) => !sent.has(job.mark));
  for (const { job, at } of strangers) {
    violations.push({ rule: 'one job for a key', at, detail: `nobody has sent ${job.id} (mark ${job.mark})` });
  }
  return distinct(violations);
};

/** A job that has ended stays as it is, on all replicas. A cancellation that was acknowledged is an end. */
export const endsAreFinal: Rule = (facts) => {
  const violations: Violation[] = [];
  const ends = new Map<string, { readonly as: string; readonly until: number }>();
  const note = (id: string, as: string, isEnd: boolean, { at, until }: Span, where: string): void => {
    const end = ends.get(id);
    if (end === undefined) {
      if (isEnd) ends.set(id, { as, until });
    } else if ((isEnd || at > end.until) && as !== end.as) {
      violations.push({ rule: 'ends are final', at, detail: `${id} had ended as ${end.as}, and is ${as} on ${where}` });
    }
  };
  for (const fact of facts) {
    if (fact.type === 'jobs') {
      for (const job of fact.jobs) note(job.id, endOf(job), FINAL.has(job.state), fact, fact.replica);
    } else if (fact.type === 'cancel' && fact.answer.status === 200) {
      note(fact.job, 'cancelled', true, fact, fact.replica);
    }
  }
  return distinct(violations);
};

/** What was accepted stays, and has ended on all replicas when all is at rest. */
export const acceptedJobsEnd: Rule = (facts) => {
  const violations: Violation[] = [];
  const accepted = new Map<string, number>();
  for (const { job, until } of factsOf(facts, 'submit')) {
    if (job !== null && !accepted.has(job)) accepted.set(job, until);
  }
  const restAt = factsOf(facts, 'rest')[0]?.at ?? Number.POSITIVE_INFINITY;
  for (const list of factsOf(facts, 'jobs')) {
    if (list.answer.status !== 200) continue;
    const states = new Map(list.jobs.map(({ id, state }) => [id, state]));
    for (const [id, since] of accepted) {
      if (since > list.at) continue;
      const state = states.get(id);
      if (state === undefined && list.jobs.filter((job) => FINAL.has(job.state)).length < KEPT) {
        violations.push({ rule: 'accepted jobs end', at: list.at, detail: `${id} is gone from ${list.replica}` });
      }
      if (list.at >= restAt && state !== undefined && !FINAL.has(state)) {
        violations.push({ rule: 'accepted jobs end', at: list.at, detail: `${id} is ${state} at rest` });
      }
    }
  }
  return distinct(violations);
};

/** Jobs that had nothing wrong with them fail only for what was taken from them. */
export const failuresAreExcused: Rule = (facts) =>
  distinct(
    sightingsIn(facts)
      .filter(({ job }) => job.state === 'failed' && !EXCUSED.has(job.failure ?? ''))
      .map(({ job, at }) => ({ rule: 'failures', at, detail: `${job.id} failed as ${job.failure}` })),
  );

/** All jobs that replicas have shown, in order. */
export function sightingsIn(facts: readonly Fact[]): Sighting[] {
  return factsOf(facts, 'jobs').flatMap(({ at, until, replica, jobs }) =>
    jobs.map((job) => ({ at, until, replica, job })),
  );
}

function endOf({ state, version, failure }: SeenJob): string {
  if (version !== null) return `${state} ${version.model}@${version.number}`;
  return failure === null ? state : `${state} (${failure})`;
}

/** Each thing that is wrong is told once. */
export function distinct(violations: readonly Violation[]): Violation[] {
  const seen = new Map<string, Violation>();
  for (const violation of violations) if (!seen.has(violation.detail)) seen.set(violation.detail, violation);
  return [...seen.values()];
}
