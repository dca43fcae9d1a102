import { describe, expect, test } from 'vitest';
import { assignSplits, SPLIT_DEFAULTS, type SplittableImage } from '../../../src/finetuning/dataset/dataset-split.ts';
import type { Split } from '../../../src/finetuning/dataset/split-names.ts';

const options = { ...SPLIT_DEFAULTS, seed: 1 };

function imagesOf(label: string, count: number, split?: Split): SplittableImage[] {
  return Array.from({ length: count }, (_, index) => ({ label, split, digest: `${label}-${split}-${index}` }));
}

/** Images of each class as `train / validation / test`. */
function counts(images: readonly SplittableImage[], splits: readonly Split[]): Record<string, string> {
  const of = (label: string, split: Split) =>
    images.filter((image, index) => image.label === label && splits[index] === split).length;
  const labels = [...new Set(images.map(({ label }) => label))];
  return Object.fromEntries(
    labels.map((label) => [label, `${of(label, 'train')} / ${of(label, 'validation')} / ${of(label, 'test')}`]),
  );
}

function countsOf(...images: readonly SplittableImage[]): Record<string, string> {
  return counts(images, assignSplits(images, options));
}

describe('without splits in the data set', () => {
  test.each([
    [1, '1 / 0 / 0'],
    [2, '1 / 0 / 1'],
    [3, '1 / 1 / 1'],
    [5, '3 / 1 / 1'],
    [10, '8 / 1 / 1'],
    [20, '14 / 3 / 3'],
    [100, '70 / 15 / 15'],
    [1000, '700 / 150 / 150'],
  ])('a class of %i becomes %s', (count, expected) => {
    expect(countsOf(...imagesOf('cat', count))).toEqual({ cat: expected });
  });

  test.each([
    [0.29, 0.29, '42 / 29 / 29'],
    [0.5, 0, '50 / 50 / 0'],
    [0, 0, '100 / 0 / 0'],
  ])('with shares of %d and %d, 100 images become %s', (validationShare, testShare, expected) => {
    const images = imagesOf('cat', 100);
    expect(counts(images, assignSplits(images, { seed: 1, validationShare, testShare }))).toEqual({ cat: expected });
  });

  test('each class is split separately', () => {
    expect(countsOf(...imagesOf('cat', 100), ...imagesOf('dog', 20))).toEqual({
      cat: '70 / 15 / 15',
      dog: '14 / 3 / 3',
    });
  });
});

describe('splits of the data set are kept', () => {
  test('all three are used as they are', () => {
    const images = (['train', 'validation', 'test'] as const).flatMap((split) => imagesOf('cat', 7, split));
    expect(assignSplits(images, options)).toEqual(images.map(({ split }) => split));
  });

  test('a missing validation split comes from the training images', () => {
    expect(countsOf(...imagesOf('cat', 100, 'train'), ...imagesOf('cat', 30, 'test'))).toEqual({ cat: '85 / 15 / 30' });
  });

  test('a missing test split is half of the validation images', () => {
    expect(countsOf(...imagesOf('cat', 100, 'train'), ...imagesOf('cat', 30, 'validation'))).toEqual({
      cat: '100 / 15 / 15',
    });
  });
});

describe('the same seed', () => {
  const images = [...imagesOf('cat', 40), ...imagesOf('dog', 40)];
  const assigned = (list: readonly SplittableImage[], seed: number) => {
    const splits = assignSplits(list, { ...options, seed });
    return new Map(list.map(({ digest }, index) => [digest, splits[index]]));
  };

  test('gives the same split, whatever the order of the images', () => {
    expect(assigned([...images].reverse(), 7)).toEqual(assigned(images, 7));
  });

  test('moves few images when one is added', () => {
    const before = assigned(images, 7);
    const after = assigned([...images, ...imagesOf('bird', 9), { label: 'cat', split: undefined, digest: 'new' }], 7);
    const moved = [...before].filter(([digest, split]) => after.get(digest) !== split);
    expect(moved.length).toBeLessThanOrEqual(2);
  });

  test('and another seed gives another split', () => {
    expect(assigned(images, 8)).not.toEqual(assigned(images, 7));
  });
});

describe('copies of an image', () => {
  test.each([1, 2, 3, 4, 5])('get the same split (seed %i)', (seed) => {
    const images = imagesOf('cat', 30).flatMap((image) => [image, image, image]);
    const splits = assignSplits(images, { ...options, seed });
    for (let first = 0; first < images.length; first += 3) {
      expect(new Set(splits.slice(first, first + 3)).size).toBe(1);
    }
    // 15 % of 90 are 13; four images of three copies fit.
    expect(counts(images, splits)).toEqual({ cat: '66 / 12 / 12' });
  });

  test('a class of one image and its copies stays in training', () => {
    const [image] = imagesOf('cat', 1);
    if (image === undefined) throw new Error('one image was asked for');
    expect(countsOf(...Array<SplittableImage>(6).fill(image))).toEqual({ cat: '6 / 0 / 0' });
  });

  test('images with many copies are held out with all copies when there are no smaller groups', () => {
    const images = imagesOf('cat', 4).flatMap((image) => [image, image]);
    expect(countsOf(...images)).toEqual({ cat: '4 / 2 / 2' });
  });
});
