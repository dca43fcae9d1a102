import type { Call, Fact } from '../history.ts';
import type { Excuses } from './excuses.ts';
import type { Rule, Violation } from './violation.ts';
import { ZooState } from './zoo-state.ts';

/** Answers that any request may get: the client is to try again. */
const LATER: readonly number[] = [429, 503];

/** What else each kind of request may be answered, as its status, or its status and code. */
const ALLOWED: Readonly<Record<string, readonly (number | string)[]>> = {
  submit: [202, '507 storage_full'],
  cancel: [200, '409 job_finished'],
  promote: [200, '507 storage_full'],
  remove: [204, '409 version_in_use', '507 storage_full'],
  classify: [200],
  jobs: [200],
  models: [200],
  follow: [200, 204],
  health: [200],
};

/** Every answer is the one that was asked for, or a problem that says when to come back, or true. */
export const answersAreSound: Rule = (facts, excuses) => {
  const zoo = new ZooState(facts);
  return facts.flatMap((fact) => {
    if (!('answer' in fact)) return [];
    const fault = faultOf(fact, zoo, excuses);
    return fault === null ? [] : [violation(fact, fault)];
  });
};

function faultOf(fact: Extract<Fact, Call>, zoo: ZooState, excuses: Excuses): string | null {
  const { status, code, flaw, gaveUp } = fact.answer;
  if (status === 0) return gaveUp || excuses.isHit(fact.replica, fact, ['process']) ? null : `no answer: ${flaw}`;
  if (flaw !== null && !(fact.type === 'follow' && excuses.isHit(fact.replica, fact, ['process']))) {
    return `${status} ${code}: ${flaw}`;
  }
  if (LATER.includes(status)) return null;
  const allowed = ALLOWED[fact.type] ?? [];
  if (allowed.includes(status) || allowed.includes(`${status} ${code}`)) return null;
  if (status === 404 && isUnknownForReason(fact, zoo, excuses)) return null;
  return `${status} ${code}`;
}

/** A version that may have been removed, or that a replica cannot have heard of yet, may be unknown. */
function isUnknownForReason(fact: Extract<Fact, Call>, zoo: ZooState, excuses: Excuses): boolean {
  const reference = referenceOf(fact);
  if (reference === undefined) return false;
  if (zoo.mayBeRemoved(reference, fact)) return true;
  const since = zoo.since(reference);
  return fact.type !== 'classify' && (since === undefined || since > excuses.deafSince(fact.replica, fact.at));
}

function referenceOf(fact: Fact): string | undefined {
  if (fact.type === 'promote' || fact.type === 'remove') return `${fact.model}@${fact.version}`;
  if (fact.type === 'classify' && /@\d+$/.test(fact.reference)) return fact.reference;
  return undefined;
}

function violation(fact: Extract<Fact, Call>, fault: string): Violation {
  const what = 'reference' in fact ? ` ${fact.reference}` : 'job' in fact ? ` ${fact.job}` : '';
  return { rule: 'answer', at: fact.at, detail: `${fact.type}${what} on ${fact.replica}: ${fault}` };
}
