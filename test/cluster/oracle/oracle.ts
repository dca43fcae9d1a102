import type { Fact } from '../history.ts';
import { aliasesAreWhereMoved } from './aliases.ts';
import { answersAreSound } from './answers.ts';
import { classificationsAreRight } from './classifications.ts';
import { logsAreWhole } from './events.ts';
import { Excuses } from './excuses.ts';
import { acceptedJobsEnd, endsAreFinal, failuresAreExcused, oneJobForAKey } from './jobs.ts';
import { aliasesAreShown, everythingRecovers, processesStay } from './recovery.ts';
import { listsAreTrue, removedVersionsStayAway, replicasAgree } from './replicas.ts';
import {
  acknowledgedVersionsStay,
  cancelledJobsMakeNothing,
  numbersAreUsedOnce,
  oneVersionForAJob,
  versionsAreWhole,
} from './versions.ts';
import type { Rule, Violation } from './violation.ts';

const RULES: readonly Rule[] = [
  answersAreSound,
  oneJobForAKey,
  endsAreFinal,
  acceptedJobsEnd,
  failuresAreExcused,
  logsAreWhole,
  numbersAreUsedOnce,
  oneVersionForAJob,
  versionsAreWhole,
  acknowledgedVersionsStay,
  cancelledJobsMakeNothing,
  listsAreTrue,
  removedVersionsStayAway,
  replicasAgree,
  aliasesAreWhereMoved,
  classificationsAreRight,
  processesStay,
  everythingRecovers,
  aliasesAreShown,
];

/** What must not have happened in a run, by what was acknowledged, in the order in which it was seen. */
export function judge(facts: readonly Fact[]): Violation[] {
  const excuses = new Excuses(facts);
  return RULES.flatMap((rule) => rule(facts, excuses)).sort((a, b) => a.at - b.at);
}
