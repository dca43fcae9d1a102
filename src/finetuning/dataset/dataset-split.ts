import { createHash } from 'node:crypto';
import type { Split } from './split-names.ts';

/** An image to be assigned to a split. */
export interface SplittableImage {
  readonly label: string;
  /** Undefined where the data set does not give one. */
  readonly split: Split | undefined;
  /** Images with the same digest are exact copies and get the same split. */
  readonly digest: string;
}

export interface SplitOptions {
  readonly seed: number;
  /** Share of each class that decides when training stops, in [0, 1). */
  readonly validationShare: number;
  /** Share of each class that is only for the report, in [0, 1). */
  readonly testShare: number;
}

/** 70 / 15 / 15, the usual split of hundreds to thousands of images. */
export const SPLIT_DEFAULTS: Omit<SplitOptions, 'seed'> = { validationShare: 0.15, testShare: 0.15 };

/**
 * Assigns a split to each image, in the order of `images`. Splits that the data set gives are kept. Missing splits are
 * held out class by class (stratified): without any split, test and validation from all images; a missing validation
 * split from the training images; a missing test split from half of the validation images, since these were chosen by
 * hand to differ from the training images.
 *
 * A share is rounded down, but is at least one image. The last image of a class stays in training, the last but one
 * goes to the test. So a class of 5 becomes 3 / 1 / 1, and one of 100 becomes 70 / 15 / 15. With few images the
 * validation split is too small to choose hyperparameters: that takes cross-validation over training and validation
 * together.
 *
 * Images are taken in the order of SHA-256(seed, digest). So the split depends only on the seed and the images, not on
 * their names or order, and an added image moves few of the others.
 */
export function assignSplits(images: readonly SplittableImage[], options: SplitOptions): Split[] {
  const given = new Set(images.map(({ split }) => split));
  const splits = images.map(({ split }): Split => split ?? 'train');
  const rank = (digest: string): string => createHash('sha256').update(`${options.seed}:${digest}`).digest('hex');

  for (const members of indicesByLabel(images).values()) {
    const groups = groupCopies(members, images).sort((a, b) => (rank(a.digest) < rank(b.digest) ? -1 : 1));
    const part = (split: Split) => groups.filter(({ indices: [first = 0] }) => splits[first] === split);
    const sizeOf = (split: Split) => part(split).reduce((sum, { indices }) => sum + indices.length, 0);
    const move = (from: Split, to: Split, count: number): void => {
      for (const { indices } of heldOut(part(from), count)) for (const index of indices) splits[index] = to;
    };
    const whole = sizeOf('train');
    if (!given.has('test')) {
      if (given.has('validation')) move('validation', 'test', sizeOf('validation') / 2);
      else move('train', 'test', whole * options.testShare);
    }
    if (!given.has('validation')) move('train', 'validation', whole * options.validationShare);
  }
  return splits;
}

/** An image and its exact copies. */
interface Copies {
  readonly digest: string;
  /** Their positions. */
  readonly indices: number[];
}

function indicesByLabel(images: readonly SplittableImage[]): Map<string, number[]> {
  const labels = new Map<string, number[]>();
  images.forEach(({ label }, index) => {
    const members = labels.get(label);
    if (members === undefined) labels.set(label, [index]);
    else members.push(index);
  });
  return labels;
}

function groupCopies(members: readonly number[], images: readonly SplittableImage[]): Copies[] {
  const groups = new Map<string, Copies>();
  for (const index of members) {
    const digest = images[index]?.digest ?? '';
    const group = groups.get(digest);
    if (group === undefined) groups.set(digest, { digest, indices: [index] });
    else group.indices.push(index);
  }
  return [...groups.values()];
}

/** The first groups of copies that have `count` images together: at least one group, but never the only one. */
function heldOut(groups: readonly Copies[], count: number): Copies[] {
  if (count <= 0 || groups.length < 2) return [];
  // 0.29 * 100 is slightly less than 29.
  const quota = Math.max(1, Math.floor(count + 1e-9));
  const taken: Copies[] = [];
  let filled = 0;
  for (const group of groups) {
    if (filled + group.indices.length > quota) continue;
    taken.push(group);
    filled += group.indices.length;
  }
  if (taken.length > 0) return taken;
  // Every group has more images than fit: take the one with the fewest.
  const fewest = Math.min(...groups.map(({ indices }) => indices.length));
  return groups.filter(({ indices }) => indices.length === fewest).slice(0, 1);
}
