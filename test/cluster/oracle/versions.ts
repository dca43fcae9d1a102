import { factsOf, type SeenNumber } from '../history.ts';
import { distinct, sightingsIn } from './jobs.ts';
import type { Rule, Violation } from './violation.ts';
import { ZooState } from './zoo-state.ts';

/** Milliseconds in which an upload may still end that was under way when its job was cancelled. */
const UPLOAD_MS = 30_000;
const ORDER: Readonly<Record<SeenNumber['state'], number>> = { reserved: 0, present: 1, removed: 2 };

/** In the bucket, a number belongs to one job for ever, and goes from reserved to present to removed. */
export const numbersAreUsedOnce: Rule = (facts) => {
  const violations: Violation[] = [];
  const before = new Map<string, SeenNumber>();
  for (const { at, numbers } of factsOf(facts, 'audit')) {
    const tell = (detail: string) => violations.push({ rule: 'numbers are used once', at, detail });
    const now = new Map(numbers.map((each) => [`${each.model}@${each.number}`, each]));
    for (const [reference, { state, key }] of before) {
      const found = now.get(reference);
      if (found === undefined) tell(`${reference} was ${state}, and is forgotten`);
      else if (ORDER[found.state] < ORDER[state]) tell(`${reference} was ${state}, and is ${found.state} again`);
      else if (found.key !== null && key !== null && found.key !== key) {
        tell(`${reference} was of job ${key}, and is of job ${found.key}`);
      }
    }
    for (const [reference, seen] of now)
      before.set(reference, { ...seen, key: seen.key ?? before.get(reference)?.key ?? null });
  }
  return distinct(violations);
};

/** No job has two versions, and no two jobs have one. */
export const oneVersionForAJob: Rule = (facts) => {
  const violations: Violation[] = [];
  const versions = new Map<string, string>();
  const jobs = new Map<string, string>();
  const note = (job: string, reference: string, at: number): void => {
    const [version, owner] = [versions.get(job) ?? reference, jobs.get(reference) ?? job];
    versions.set(job, version);
    jobs.set(reference, owner);
    const tell = (detail: string) => violations.push({ rule: 'one version for a job', at, detail });
    if (version !== reference) tell(`job ${job} has ${version} and ${reference}`);
    if (owner !== job) tell(`${reference} is of the jobs ${owner} and ${job}`);
  };
  for (const { at, numbers } of factsOf(facts, 'audit')) {
    for (const { model, number, state, key } of numbers) {
      if (state === 'present' && key !== null) note(key, `${model}@${number}`, at);
    }
  }
  for (const { job, at } of sightingsIn(facts)) {
    if (job.version !== null) note(job.id, `${job.version.model}@${job.version.number}`, at);
  }
  return distinct(violations);
};

/** Whatever is in a record of the bucket is whole; aliases point to versions that are there. */
export const versionsAreWhole: Rule = (facts) =>
  distinct(
    factsOf(facts, 'audit').flatMap(({ at, numbers, aliases }) => {
      const there = new Set(
        numbers.flatMap((each) => (each.state === 'present' ? [`${each.model}@${each.number}`] : [])),
      );
      const damaged = numbers.filter(({ damage }) => damage !== null);
      const dangling = aliases.filter(({ model, version }) => !there.has(`${model}@${version}`));
      return [
        ...damaged.map((each) => ({
          rule: 'versions are whole',
          at,
          detail: `${each.model}@${each.number}: ${each.damage}`,
        })),
        ...dangling.map(({ model, alias, version }) => ({
          rule: 'versions are whole',
          at,
          detail: `${model}@${alias} points to ${version}, which is not there`,
        })),
      ];
    }),
  );

/** The version of a job that has succeeded is there until somebody removes it, and does not come back. */
export const acknowledgedVersionsStay: Rule = (facts) => {
  const violations: Violation[] = [];
  const zoo = new ZooState(facts);
  const promised = new Map<string, number>();
  for (const { job, until } of sightingsIn(facts)) {
    if (job.version === null) continue;
    const reference = `${job.version.model}@${job.version.number}`;
    if (!promised.has(reference)) promised.set(reference, until);
  }
  for (const { at, until, numbers } of factsOf(facts, 'audit')) {
    const tell = (detail: string) => violations.push({ rule: 'acknowledged versions', at, detail });
    const there = new Set(
      numbers.flatMap((each) => (each.state === 'present' ? [`${each.model}@${each.number}`] : [])),
    );
    for (const [reference, since] of promised) {
      const isMissing = since <= at && !there.has(reference);
      if (isMissing && !zoo.mayBeRemoved(reference, { until })) tell(`${reference} is lost`);
    }
    for (const reference of there) if (zoo.removedAt(reference) < at) tell(`${reference} was removed, and is there`);
  }
  return distinct(violations);
};

/** A job whose cancellation was acknowledged makes no version any more. */
export const cancelledJobsMakeNothing: Rule = (facts) => {
  const violations: Violation[] = [];
  const cancelled = new Map<string, number>();
  for (const { job, answer, until } of factsOf(facts, 'cancel')) if (answer.status === 200) cancelled.set(job, until);
  const seen = new Set<string>();
  let before = Number.NEGATIVE_INFINITY;
  for (const { at, numbers } of factsOf(facts, 'audit')) {
    for (const { model, number, state, key } of numbers) {
      if (state !== 'present' || key === null || seen.has(key)) continue;
      seen.add(key);
      if ((cancelled.get(key) ?? Number.POSITIVE_INFINITY) + UPLOAD_MS >= before) continue;
      violations.push({
        rule: 'cancelled jobs',
        at,
        detail: `${model}@${number} is of job ${key}, which was cancelled`,
      });
    }
    before = at;
  }
  return violations;
};
