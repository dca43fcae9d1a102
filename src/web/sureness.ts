import type { ImageClasses } from './api/schema.ts';

/** How sure an answer is, in words. `unknown`: the image shows none of the classes. */
export type Sureness = 'sure' | 'leaning' | 'guessing' | 'unknown';

/**
 * The scores from which an answer is called sure, and leaning. They are meant for calibrated scores, those of models
 * that were taught here and of the three that come along. Of the answers of these three for the 1,000 images of
 * `tiny-val.zip`, 94 to 98 of 100 sure ones were right, 71 to 74 of 100 leaning ones, and 28 to 31 of 100 below.
 */
const SURE = 0.8;
const LEANING = 0.5;

/** What the words mean, for people. */
export const SURENESS_HELP =
  `Sure is a score of at least ${100 * SURE}%, leaning one of at least ${100 * LEANING}%; below that, the model is ` +
  'guessing. The three models that come along were right in 94 to 98 of 100 answers that they were sure of, in 71 to ' +
  '74 of 100 that they were leaning to, and in 28 to 31 of 100 guesses (1,000 images of Tiny ImageNet that they were ' +
  'not trained on). Models trained elsewhere may claim more than they know. Unknown: the picture looks like none of ' +
  'the classes; models that were taught here can tell.';

/** Shown for an image that is unlike those that the model was trained on. */
export const UNKNOWN_TEXT = 'Unknown: probably none of the classes';

/** How sure the answer about an image is. */
export function surenessOf({ predictions, unknown }: Pick<ImageClasses, 'predictions' | 'unknown'>): Sureness {
  const score = predictions[0]?.score ?? 0;
  if (unknown === true) return 'unknown';
  return score >= SURE ? 'sure' : score >= LEANING ? 'leaning' : 'guessing';
}
