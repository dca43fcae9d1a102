import { factsOf } from '../history.ts';
import { distinct } from './jobs.ts';
import type { Rule, Violation } from './violation.ts';

const END = /"state":"(?:succeeded|failed|cancelled)"/;

/** The log of a job is the same on all replicas, its ids count up without gaps, and its end is the last event. */
export const logsAreWhole: Rule = (facts, excuses) => {
  const violations: Violation[] = [];
  const logs = new Map<string, Map<number, string>>();
  const ends = new Map<string, number>();
  for (const { at, until, replica, job, after, events, isComplete, answer } of factsOf(facts, 'follow')) {
    const tell = (detail: string) =>
      violations.push({ rule: 'logs are whole', at, detail: `${job}: ${detail} on ${replica}` });
    const log = logs.get(job) ?? new Map<number, string>();
    logs.set(job, log);
    let last = after;
    for (const [id, text] of events) {
      if (id !== last + 1) tell(`event ${id} follows ${last}`);
      last = id;
      if ((log.get(id) ?? text) !== text) tell(`event ${id} is ${text}, but was ${log.get(id)}`);
      log.set(id, text);
      if (END.test(text) && !ends.has(job)) ends.set(job, id);
    }
    const end = ends.get(job);
    if (end !== undefined && last > end) tell(`event ${last} follows the end, which is ${end}`);
    const isCut = !isComplete || excuses.isHit(replica, { at, until }, ['process']);
    if (answer.status === 200 && !isCut && end !== last) tell(`the stream ends after event ${last}, which is no end`);
    if (answer.status === 204 && end !== after) tell(`nothing follows event ${after}, which is no end`);
  }
  return distinct(violations);
};
