import type { DatasetImage } from '../dataset/inspected-image.ts';

/** One rung of a search. */
export interface Rung {
  /** Training images that candidates are evaluated on. */
  readonly images: number;
  /** Folds of the cross-validation; equal to `images` where each image is left out in turn. */
  readonly folds: number;
  /** Whether heads are solved for, or trained by gradient descent. */
  readonly solved: boolean;
}

/** Images of the first rung: so few that every backbone can be tried, and enough to tell a good one from a bad one. */
const FIRST_PER_CLASS = 20;
const FIRST = 400;
/** Images of the other rungs. To solve for a head takes time in proportion to the cube of their number. */
const MOST = 600;
/** To train one takes long. */
const FOLDS = 3;

/**
 * The rungs for a number of training images: at most 20 per class on average and 400 in all, then at most 600 if there
 * are more; heads are solved for. Where the head of the model is not solved for, because there are many images, the last rung
 * trains heads on as many.
 * @param few whether the head of the model is solved for
 */
export function rungsOf(images: number, classes: number, few: boolean): Rung[] {
  const first = Math.min(images, FIRST, FIRST_PER_CLASS * classes);
  const most = Math.min(images, MOST);
  const counts = first < most ? [first, most] : [most];
  const rungs = counts.map((count): Rung => ({ images: count, folds: count, solved: true }));
  return few ? rungs : [...rungs, { images: most, folds: FOLDS, solved: false }];
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
