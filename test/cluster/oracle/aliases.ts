import { type Fact, type FactOf, factsOf } from '../history.ts';
import type { Excuses } from './excuses.ts';
import { distinct } from './jobs.ts';
import type { Rule } from './violation.ts';

/** Milliseconds in which a change may still take effect that was not acknowledged: a request may be stuck in a network. */
const LATE_MS = 120_000;

type Promotion = FactOf<'promote'>;

/** An alias, read anywhere, is where it was moved last, as far as the reader can have heard of it. */
export const aliasesAreWhereMoved: Rule = (facts, excuses) => {
  const promotions = factsOf(facts, 'promote');
  const isKnown = (model: string, alias: string) =>
    promotions.some((each) => each.model === model && each.alias === alias && each.answer.status === 200);
  return distinct(
    readsIn(facts, excuses)
      .filter(({ model, alias }) => isKnown(model, alias))
      .filter((read) => !isPossible(read, promotions))
      .map(({ model, alias, version, until, where }) => ({
        rule: 'aliases',
        at: until,
        detail: `${model}@${alias} is ${version} ${where}, where nobody has moved it last`,
      })),
  );
};

/** What somebody saw of an alias. */
interface Read {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  /** Since when the reader may have been deaf, and when it had the answer. */
  readonly since: number;
  readonly until: number;
  readonly where: string;
}

function readsIn(facts: readonly Fact[], excuses: Excuses): Read[] {
  return facts.flatMap((fact): Read[] => {
    if (fact.type === 'audit') {
      const { at: since, until } = fact;
      return fact.aliases.map((alias) => ({ ...alias, since, until, where: 'in the bucket' }));
    }
    if (!('replica' in fact)) return [];
    const { until, replica } = fact;
    const read = { since: excuses.deafSince(replica, fact.at), until, where: `on ${replica}` };
    if (fact.type === 'models') {
      return fact.models.flatMap(({ id: model, aliases }) =>
        Object.entries(aliases).map(([alias, version]) => ({ model, alias, version, ...read })),
      );
    }
    if (fact.type !== 'classify' || fact.result === null) return [];
    const [model = '', alias = ''] = fact.reference.split('@');
    return /^[a-z]/.test(alias) ? [{ model, alias, version: fact.result.version, ...read }] : [];
  });
}

/** Whether some change to this version may be the last one that the reader has heard of. */
function isPossible({ model, alias, version, since, until }: Read, promotions: readonly Promotion[]): boolean {
  const moves = promotions.filter((each) => each.model === model && each.alias === alias && mayHaveMoved(each));
  return moves.some(
    (move) =>
      move.version === version &&
      move.at <= until &&
      !moves.some((other) => other.answer.status === 200 && other.at > lastOf(move) && other.until < since),
  );
}

/** What was refused for a reason did not happen. */
function mayHaveMoved({ answer }: Promotion): boolean {
  return answer.status === 200 || answer.status === 0 || answer.status >= 500;
}

function lastOf({ answer, until }: Promotion): number {
  return answer.status === 200 ? until : until + LATE_MS;
}
