import { factsOf } from '../history.ts';
import { distinct } from './jobs.ts';
import type { Rule, Violation } from './violation.ts';
import { ZooState } from './zoo-state.ts';

/** Answers differ by how images were batched. */
const TOLERANCE = 1e-3;

/** A version answers the same everywhere and always; the version that was asked for answers, and one that is there. */
export const classificationsAreRight: Rule = (facts, excuses) => {
  const violations: Violation[] = [];
  const zoo = new ZooState(facts);
  const known = new Map<string, { readonly label: string; readonly score: number; readonly replica: string }>();
  for (const { at, until, replica, reference, picture, result } of factsOf(facts, 'classify')) {
    if (result === null) continue;
    const tell = (detail: string) =>
      violations.push({ rule: 'classifications', at, detail: `${reference} on ${replica}: ${detail}` });
    const [model = '', wanted = ''] = reference.split('@');
    const { version, label, score } = result;
    const answering = `${model}@${version}`;
    if (/^\d/.test(wanted) && Number(wanted) !== version) tell(`version ${version} answers`);
    const since = zoo.since(answering);
    if (since === undefined) tell(`version ${version} answers, which was never in the bucket`);
    if (zoo.removedAt(answering) < excuses.deafSince(replica, at))
      tell(`version ${version} answers, which was removed`);
    const key = `${answering} ${picture}`;
    const first = known.get(key) ?? { label, score, replica };
    known.set(key, first);
    if (label !== first.label || Math.abs(score - first.score) > TOLERANCE) {
      tell(
        `${picture} is ${label} ${score}, but ${first.label} ${first.score} on ${first.replica} (${Math.round(until)})`,
      );
    }
  }
  return distinct(violations);
};
