import { factsOf } from '../history.ts';
import type { Rule } from './violation.ts';

/** No process ends by itself, unless it cannot start without what was taken from it. */
export const processesStay: Rule = (facts, excuses) =>
  factsOf(facts, 'exit').flatMap(({ machine, at, until, code, asked, wasReady }) => {
    if (asked === 'killed' || (asked === 'stopped' && (code === 0 || !wasReady))) return [];
    const isExcused = asked === null && !wasReady && excuses.isHit(machine, { at, until }, ['redis', 's3']);
    return isExcused ? [] : [{ rule: 'processes stay', at: until, detail: `${machine} ended with ${code}` }];
  });

/** When all faults are healed, everything comes back by itself. */
export const everythingRecovers: Rule = (facts) =>
  factsOf(facts, 'recovered')
    .filter(({ ms }) => ms === null)
    .map(({ what, until }) => ({ rule: 'everything recovers', at: until, detail: `${what}: not within the bound` }));

/** At rest, an alias that is moved is shown by all replicas within the time that is promised. */
export const aliasesAreShown: Rule = (facts) => {
  const restAt = factsOf(facts, 'rest')[0]?.at ?? Number.POSITIVE_INFINITY;
  return factsOf(facts, 'shown')
    .filter(({ at, ms }) => at >= restAt && ms === null)
    .map(({ at, model, alias, version, replica }) => ({
      rule: 'aliases are shown',
      at,
      detail: `${model}@${alias} was moved to ${version}, which ${replica} did not show`,
    }));
};
