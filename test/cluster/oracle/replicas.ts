import { type Fact, type FactOf, factsOf } from '../history.ts';
import { distinct } from './jobs.ts';
import type { Rule, Violation } from './violation.ts';
import { ZooState } from './zoo-state.ts';

/** A replica lists what is in the bucket: nothing that was removed, nothing that was never there, no alias to nothing. */
export const listsAreTrue: Rule = (facts, excuses) => {
  const violations: Violation[] = [];
  const zoo = new ZooState(facts);
  for (const list of listsIn(facts)) {
    const { at, replica } = list;
    const tell = (detail: string) => violations.push({ rule: 'lists are true', at, detail: `${detail} on ${replica}` });
    for (const { id, versions, aliases, damaged } of list.models) {
      for (const number of versions) {
        const reference = `${id}@${number}`;
        if (zoo.removedAt(reference) < excuses.deafSince(replica, at)) tell(`${reference} was removed, and is listed`);
        if (zoo.since(reference) === undefined) tell(`${reference} was never in the bucket, and is listed`);
      }
      if (excuses.isHit(replica, list, ['s3', 'process'])) continue;
      for (const [alias, version] of Object.entries(aliases)) {
        if (!versions.includes(version)) tell(`${id}@${alias} points to ${version}, which is not listed`);
      }
      for (const reference of damaged) tell(`${reference} cannot be used`);
    }
  }
  return distinct(violations);
};

/** What a replica has ceased to list does not come back. */
export const removedVersionsStayAway: Rule = (facts) => {
  const violations: Violation[] = [];
  const zoo = new ZooState(facts);
  const away = new Map<string, Set<string>>();
  for (const { at, replica, models } of listsIn(facts)) {
    const gone = away.get(replica) ?? new Set<string>();
    away.set(replica, gone);
    const listed = new Set(models.flatMap(({ id, versions }) => versions.map((number) => `${id}@${number}`)));
    for (const reference of listed) {
      if (!gone.has(reference)) continue;
      violations.push({ rule: 'removed versions', at, detail: `${reference} came back on ${replica}` });
    }
    for (const { model, version, answer, until } of factsOf(facts, 'remove')) {
      const reference = `${model}@${version}`;
      if (answer.status === 204 && until < at && !listed.has(reference) && zoo.since(reference) !== undefined) {
        gone.add(reference);
      }
    }
  }
  return distinct(violations);
};

/** At rest, all replicas list the same, and it is what is in the bucket. */
export const replicasAgree: Rule = (facts) => {
  const restAt = factsOf(facts, 'rest')[0]?.at;
  if (restAt === undefined) return [];
  const violations: Violation[] = [];
  const audit = factsOf(facts, 'audit').findLast(({ at }) => at >= restAt);
  const there = audit?.numbers
    .flatMap((each) => (each.state === 'present' ? [`${each.model}@${each.number}`] : []))
    .sort()
    .join(' ');
  const last = new Map<string, FactOf<'models'>>();
  for (const list of listsIn(facts)) if (list.at >= restAt) last.set(list.replica, list);
  const [first] = last.values();
  for (const { replica, at, models } of last.values()) {
    const tell = (detail: string) => violations.push({ rule: 'replicas agree', at, detail });
    const listed = models.flatMap(({ id, versions }) => versions.map((number) => `${id}@${number}`));
    if (there !== undefined && listed.sort().join(' ') !== there) {
      tell(`${replica} lists ${listed.join(' ')}; the bucket has ${there}`);
    }
    if (first !== undefined && JSON.stringify(models) !== JSON.stringify(first.models)) {
      tell(`${replica} and ${first.replica} list other models`);
    }
  }
  return violations;
};

function listsIn(facts: readonly Fact[]): FactOf<'models'>[] {
  return factsOf(facts, 'models').filter(({ answer }) => answer.status === 200);
}
