import type { ImageClasses } from '../api/schema.ts';
import type { BrowserAnswer } from './model.ts';

type Answer = Pick<ImageClasses, 'predictions'> & { readonly unknown?: boolean | undefined };

/** How the predictions of the browser compare with those of the server. */
export interface Agreement {
  readonly pictures: number;
  /** Images with the same top class. */
  readonly same: number;
  /** Images that both or neither call unknown. */
  readonly sameUnknown: number;
  /** The largest difference between two scores of a class, 0..1. */
  readonly difference: number;
}

export const NOTHING_COMPARED: Agreement = { pictures: 0, same: 0, sameUnknown: 0, difference: 0 };

/** Adds an image. Only classes among the predictions of both are compared. */
export function compared(before: Agreement, browser: BrowserAnswer, server: Answer): Agreement {
  const [here, there] = [browser.predictions, server.predictions];
  const differences = there.flatMap(({ index, score }) => {
    const own = here.find((each) => each.index === index);
    return own === undefined ? [] : [Math.abs(own.score - score)];
  });
  return {
    pictures: before.pictures + 1,
    same: before.same + (here[0]?.index === there[0]?.index ? 1 : 0),
    sameUnknown: before.sameUnknown + (browser.unknown === server.unknown ? 1 : 0),
    difference: Math.max(before.difference, ...differences),
  };
}
