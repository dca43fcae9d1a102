import type { RgbImage } from './resample.ts';

/** Chains that are mixed, and the most operations in one. */
const CHAINS = 3;
const MOST_OPERATIONS = 3;
/** The strongest that an operation is applied, of 10, as for ImageNet in the paper. */
const MOST_LEVEL = 3;
const LEAST_LEVEL = 0.1;

/** An operation at a level of 0..10. Where it has a direction, it is drawn. */
type Operation = (image: RgbImage, level: number, random: () => number) => Uint8Array;

/**
 * AugMix (Hendrycks et al. 2020): three chains of one to three simple operations, mixed by random weights with each
 * other and then with the picture itself. The operations are those of the paper except for rotation, which the
 * robustness report tests: none of them is one of its corruptions. The loss that the paper adds, for equal answers to
 * the mixtures of one picture, is left out.
 * @param random uniform in [0, 1)
 */
export function augMix(image: RgbImage, random: () => number): Uint8Array {
  const { pixels } = image;
  const shares = Array.from({ length: CHAINS }, () => -Math.log(1 - random()));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const mixed = new Float32Array(pixels.length);
  for (const share of shares) {
    const made = chain(image, random);
    const weight = share / total;
    for (let index = 0; index < mixed.length; index++) mixed[index] = (mixed[index] ?? 0) + weight * (made[index] ?? 0);
  }
  const share = random();
  return pixels.map((value, index) => value + share * ((mixed[index] ?? 0) - value) + 0.5);
}

function chain(image: RgbImage, random: () => number): Uint8Array {
  const length = 1 + Math.floor(random() * MOST_OPERATIONS);
  let { pixels } = image;
  for (let step = 0; step < length; step++) {
    const operation = OPERATIONS[Math.floor(random() * OPERATIONS.length)];
    const level = LEAST_LEVEL + (MOST_LEVEL - LEAST_LEVEL) * random();
    pixels = operation?.({ ...image, pixels }, level, random) ?? pixels;
  }
  return pixels;
}

const sign = (random: () => number): number => (random() < 0.5 ? -1 : 1);

const OPERATIONS: readonly Operation[] = [
  ({ pixels }) => byChannel(pixels, stretched),
  ({ pixels }) => byChannel(pixels, equalized),
  // Four bits at level 0, none at level 10.
  ({ pixels }, level) => {
    const mask = 0xff & (0xff << (4 + Math.floor(level * 0.4)));
    return pixels.map((value) => value & mask);
  },
  // What is brighter than the threshold is inverted: nothing at level 0, everything at level 10.
  ({ pixels }, level) => pixels.map((value) => (value < 256 - level * 25.6 ? value : 255 - value)),
  (image, level, random) => sheared(image, sign(random) * level * 0.03, 0),
  (image, level, random) => sheared(image, 0, sign(random) * level * 0.03),
  (image, level, random) => shifted(image, Math.round((sign(random) * level * image.width) / 30), 0),
  (image, level, random) => shifted(image, 0, Math.round((sign(random) * level * image.height) / 30)),
];

/** Maps each channel by a table of 256 values that is made from its histogram. */
function byChannel(pixels: Uint8Array, tableOf: (histogram: Uint32Array) => Uint8Array): Uint8Array {
  const tables = [0, 1, 2].map((channel) => {
    const histogram = new Uint32Array(256);
    for (let index = channel; index < pixels.length; index += 3) {
      const value = pixels[index] ?? 0;
      histogram[value] = (histogram[value] ?? 0) + 1;
    }
    return tableOf(histogram);
  });
  return pixels.map((value, index) => tables[index % 3]?.[value] ?? value);
}

/** The darkest value becomes 0 and the brightest 255. */
function stretched(histogram: Uint32Array): Uint8Array {
  const low = histogram.findIndex((count) => count > 0);
  const high = histogram.findLastIndex((count) => count > 0);
  return Uint8Array.from(histogram, (_, value) =>
    high > low ? Math.max(0, Math.min(255, ((value - low) * 255) / (high - low) + 0.5)) : value,
  );
}

/** All values become about equally frequent. */
function equalized(histogram: Uint32Array): Uint8Array {
  const darkest = histogram.find((count) => count > 0) ?? 0;
  const others = histogram.reduce((sum, count) => sum + count, 0) - darkest;
  let below = -darkest;
  return Uint8Array.from(histogram, (count, value) => {
    below += count;
    return others === 0 ? value : Math.max(0, (below * 255) / others + 0.5);
  });
}

/** Shifts each row by its distance from the middle times `across`, and each column by its own times `down`. */
function sheared({ pixels, width, height }: RgbImage, across: number, down: number): Uint8Array {
  const output = new Uint8Array(pixels.length);
  let to = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = inside(column + (row - (height - 1) / 2) * across, width);
      const y = inside(row + (column - (width - 1) / 2) * down, height);
      // One of the two is a whole number, so two neighbours are enough.
      const near = (Math.floor(y) * width + Math.floor(x)) * 3;
      const far = (Math.ceil(y) * width + Math.ceil(x)) * 3;
      const share = x - Math.floor(x) + (y - Math.floor(y));
      for (let channel = 0; channel < 3; channel++) {
        const value = pixels[near + channel] ?? 0;
        output[to] = value + share * ((pixels[far + channel] ?? 0) - value) + 0.5;
        to += 1;
      }
    }
  }
  return output;
}

/** Shifts by whole pixels. */
function shifted({ pixels, width, height }: RgbImage, across: number, down: number): Uint8Array {
  const output = new Uint8Array(pixels.length);
  for (let row = 0; row < height; row++) {
    const line = inside(row + down, height) * width;
    for (let column = 0; column < width; column++) {
      const from = (line + inside(column + across, width)) * 3;
      const to = (row * width + column) * 3;
      output[to] = pixels[from] ?? 0;
      output[to + 1] = pixels[from + 1] ?? 0;
      output[to + 2] = pixels[from + 2] ?? 0;
    }
  }
  return output;
}

/** Beyond its border the picture has its outermost pixels. */
function inside(position: number, size: number): number {
  return Math.max(0, Math.min(size - 1, position));
}
