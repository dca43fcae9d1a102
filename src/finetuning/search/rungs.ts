import type { DatasetImage } from '../dataset/inspected-image.ts';
import { REDUCTION } from './successive-halving.ts';

/** One rung of a search. */
export interface Rung {
  /** Training images that candidates are evaluated on. */
  readonly images: number;
  /** Of the cross-validation. */
  readonly folds: number;
}

const FOLDS = 3;
const LAST_FOLDS = 5;
/** Fewer images tell candidates apart badly. */
const LEAST_PER_CLASS = 10;
const LEAST = 150;
const MAX_RUNGS = 3;

/**
 * The rungs for a number of training images: the last has all, each has a third of the next, but not less than 10 per
 * class and 150. Small data sets have two rungs of all images, of which the second has more folds.
 */
export function rungsOf(images: number, classes: number): Rung[] {
  const least = Math.min(images, Math.max(LEAST, LEAST_PER_CLASS * classes));
  const rungs: Rung[] = [{ images, folds: LAST_FOLDS }];
  for (let size = Math.ceil(images / REDUCTION); size >= least && rungs.length < MAX_RUNGS; ) {
    rungs.unshift({ images: size, folds: FOLDS });
    size = Math.ceil(size / REDUCTION);
  }
  return rungs.length > 1 ? rungs : [{ images, folds: FOLDS }, ...rungs];
}

/**
 * The images of a rung: the same share of each class, at least one, first those whose digest is smallest, so that a
 * rung has the images of the one before.
 */
export function rungImages(training: readonly DatasetImage[], count: number): DatasetImage[] {
  if (count >= training.length) return [...training];
  const share = count / training.length;
  const chosen = new Set<DatasetImage>();
  for (const label of new Set(training.map(({ classIndex }) => classIndex))) {
    const members = training
      .filter(({ classIndex }) => classIndex === label)
      .sort((a, b) => (a.digest < b.digest ? -1 : 1));
    for (const image of members.slice(0, Math.max(1, Math.round(share * members.length)))) chosen.add(image);
  }
  return training.filter((image) => chosen.has(image));
}
