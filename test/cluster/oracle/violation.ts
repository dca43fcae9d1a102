import type { Fact } from '../history.ts';
import type { Excuses } from './excuses.ts';

/** Something that must not happen. */
export interface Violation {
  /** Name of the rule that was broken. */
  readonly rule: string;
  /** When it was seen, in milliseconds since the run began. */
  readonly at: number;
  readonly detail: string;
}

/** A rule: what of a history breaks it. */
export type Rule = (facts: readonly Fact[], excuses: Excuses) => Violation[];
