import type { PictureAnswer, SessionPicture } from '../../session.ts';
import { type Sureness, surenessOf } from '../../sureness.ts';

/** The answer of a model in short: the class, or `unknown`. */
export interface Verdict {
  /** Undefined where the image shows none of the classes. */
  readonly label: string | undefined;
  readonly score: number;
  readonly sureness: Sureness;
}

/** How the models agree on an image: `unsure` where they name the same class and none is sure; `none` where there are not several answers yet. */
export type Agreement = 'agree' | 'unsure' | 'same_guess' | 'differ' | 'none';

/** What a model says; undefined where it has no answer. */
export function verdictOf(answer: PictureAnswer | undefined): Verdict | undefined {
  if (answer?.state !== 'answered') return undefined;
  const sureness = surenessOf(answer.result);
  const [first] = answer.result.predictions;
  return { label: sureness === 'unknown' ? undefined : first?.label, score: first?.score ?? 0, sureness };
}

/** Whether the models name the same class. Two that are not sure of it hardly confirm each other. */
export function agreementOf({ answers }: SessionPicture, models: readonly string[]): Agreement {
  const verdicts = models.map((model) => verdictOf(answers.get(model))).filter((each) => each !== undefined);
  if (models.length < 2 || verdicts.length < models.length) return 'none';
  if (new Set(verdicts.map(({ label }) => label)).size > 1) return 'differ';
  if (verdicts.every(({ sureness }) => sureness === 'guessing')) return 'same_guess';
  return verdicts.some(({ sureness }) => sureness === 'sure' || sureness === 'unknown') ? 'agree' : 'unsure';
}

/** Whether no model is sure what an image shows. */
export function isUnsure({ answers }: SessionPicture, models: readonly string[]): boolean {
  const verdicts = models.map((model) => verdictOf(answers.get(model))).filter((each) => each !== undefined);
  return verdicts.length > 0 && !verdicts.some(({ sureness }) => sureness === 'sure');
}

/** Whether a model has refused an image, or could not be asked. */
export function hasFailed({ answers }: SessionPicture, models: readonly string[]): boolean {
  return models.some((model) => ['refused', 'failed'].includes(answers.get(model)?.state ?? ''));
}

/** The share of an image in the inference time of its batch, in milliseconds. */
export function networkMs(answer: PictureAnswer | undefined): number | undefined {
  if (answer?.state !== 'answered') return undefined;
  const { inference_ms, batch_size } = answer.result.timings;
  return inference_ms / batch_size;
}
