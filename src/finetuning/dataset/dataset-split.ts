import { createHash } from 'node:crypto';
import type { Split } from './dataset-layout.ts';

/** What a split is made from. */
export interface SplittableImage {
  readonly label: string;
  /** As the data set gives it. */
  readonly split: Split | undefined;
  /** Images with one digest show the same picture; they end on one side. */
  readonly digest: string;
}

export interface SplitOptions {
  readonly seed: number;
  /** Share of each class that decides when training stops, in [0, 1). */
  readonly validationShare: number;
  /** Share of each class that only the report sees, in [0, 1). */
  readonly testShare: number;
}

/** 70 / 15 / 15, the usual division of a set of hundreds to thousands of images. */
export const SPLIT_DEFAULTS: Omit<SplitOptions, 'seed'> = { validationShare: 0.15, testShare: 0.15 };

/**
 * Gives each image its split, in the order of `images`. Splits of the data set stand; what is missing is held out,
 * class by class (stratified): without any split, test and validation from all; a missing validation part from the
 * training images; a missing test part from the validation images, half of them, since whoever divides a set by hand
 * means the other side to be unlike the training images.
 *
 * A share is rounded down, but is one image at least; the last picture of a class stays in training, the last but one
 * goes to the test. So a class of 5 becomes 3 / 1 / 1, and one of 100 becomes 70 / 15 / 15. Few images make the
 * validation part too small to choose settings by: cross-validate over training and validation together for that.
 *
 * Pictures are taken in the order of SHA-256(seed, digest). So the split depends on seed and pictures alone, neither
 * on names nor on their order, and a picture that is added moves few of the others.
 */
export function assignSplits(images: readonly SplittableImage[], options: SplitOptions): Split[] {
  const given = new Set(images.map(({ split }) => split));
  const splits = images.map(({ split }): Split => split ?? 'train');
  const rank = (digest: string): string => createHash('sha256').update(`${options.seed}:${digest}`).digest('hex');

  for (const members of indicesByLabel(images).values()) {
    const pictures = groupPictures(members, images).sort((a, b) => (rank(a.digest) < rank(b.digest) ? -1 : 1));
    const part = (split: Split) => pictures.filter(({ indices: [first = 0] }) => splits[first] === split);
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

/** One picture and the positions of its copies. */
interface Picture {
  readonly digest: string;
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

function groupPictures(members: readonly number[], images: readonly SplittableImage[]): Picture[] {
  const pictures = new Map<string, Picture>();
  for (const index of members) {
    const digest = images[index]?.digest ?? '';
    const picture = pictures.get(digest);
    if (picture === undefined) pictures.set(digest, { digest, indices: [index] });
    else picture.indices.push(index);
  }
  return [...pictures.values()];
}

/** The first pictures that fill `count` images, copies counted; one picture at least, but never the only one. */
function heldOut(pictures: readonly Picture[], count: number): Picture[] {
  if (count <= 0 || pictures.length < 2) return [];
  // A hair is added because 0.29 * 100 falls just short of 29.
  const quota = Math.max(1, Math.floor(count + 1e-9));
  const taken: Picture[] = [];
  let filled = 0;
  for (const picture of pictures) {
    if (filled + picture.indices.length > quota) continue;
    taken.push(picture);
    filled += picture.indices.length;
  }
  if (taken.length > 0) return taken;
  // Every picture has more copies than fit: the one with the fewest then.
  const fewest = Math.min(...pictures.map(({ indices }) => indices.length));
  return pictures.filter(({ indices }) => indices.length === fewest).slice(0, 1);
}
