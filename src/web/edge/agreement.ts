import type { Prediction } from '../api/schema.ts';

/** How the predictions of the browser compare with those of the server. */
export interface Agreement {
  readonly pictures: number;
  /** Images with the same top class. */
  readonly same: number;
  /** The largest difference between two scores of a class, 0..1. */
  readonly difference: number;
}

export const NOTHING_COMPARED: Agreement = { pictures: 0, same: 0, difference: 0 };

/** Adds an image. Only classes among the predictions of both are compared. */
export function compared(before: Agreement, here: readonly Prediction[], there: readonly Prediction[]): Agreement {
  const differences = there.flatMap(({ index, score }) => {
    const own = here.find((each) => each.index === index);
    return own === undefined ? [] : [Math.abs(own.score - score)];
  });
  return {
    pictures: before.pictures + 1,
    same: before.same + (here[0]?.index === there[0]?.index ? 1 : 0),
    difference: Math.max(before.difference, ...differences),
  };
}
