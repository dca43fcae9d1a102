import type { Prediction } from '../api/schema.ts';

/** How the browser's answers compare with the server's, over some pictures. */
export interface Agreement {
  readonly pictures: number;
  /** Pictures with the same first class. */
  readonly same: number;
  /** The largest difference of two scores of one class, 0..1. */
  readonly difference: number;
}

export const NOTHING_COMPARED: Agreement = { pictures: 0, same: 0, difference: 0 };

/** Adds a picture. Only classes that both have named are compared. */
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
