import type { ComparedImage } from './calibration-images.ts';

/** Computes the probabilities of one image. */
export type Compute = (pixels: Uint8Array) => Promise<Float32Array>;

/** A model in floats, and the same with rounded weights or values. */
export interface ComparedModels {
  readonly float: Compute;
  readonly rounded: Compute;
}

/** What the answers of both models have in common. */
export interface AnswerComparison {
  readonly images: number;
  /** Share of the images for which both name the same most probable class. */
  readonly agreement: number;
  /** Largest difference of a probability. */
  readonly largestDifference: number;
  /** Share of right answers, on the images whose class the model knows; absent when there are none. */
  readonly accuracy?: { readonly images: number; readonly float: number; readonly rounded: number };
}

/** Median milliseconds of one image; `ratio` is the median of the pairs' ratios. */
export interface SpeedComparison {
  readonly floatMs: number;
  readonly roundedMs: number;
  readonly ratio: number;
}

/** Pairs of runs that are timed. */
export const PAIRS = 21;

/** Compares the answers of both models. @param onImage called after each image */
export async function compareAnswers(
  { float, rounded }: ComparedModels,
  images: AsyncIterable<ComparedImage>,
  onImage: () => void,
): Promise<AnswerComparison> {
  let [count, agreeing, largest] = [0, 0, 0];
  const known = { images: 0, float: 0, rounded: 0 };
  for await (const { pixels, index } of images) {
    const [exact, other] = [await float(pixels), await rounded(pixels)];
    const [best, found] = [indexOfMax(exact), indexOfMax(other)];
    count += 1;
    agreeing += best === found ? 1 : 0;
    // What is not finite counts as the largest possible difference.
    for (const [at, value] of exact.entries()) {
      const difference = Math.abs(value - (other[at] ?? Number.NaN));
      largest = Math.max(largest, Number.isFinite(difference) ? Math.min(1, difference) : 1);
    }
    if (index !== undefined) {
      known.images += 1;
      known.float += best === index ? 1 : 0;
      known.rounded += found === index ? 1 : 0;
    }
    onImage();
  }
  const { images: labelled } = known;
  return {
    images: count,
    agreement: agreeing / count,
    largestDifference: largest,
    ...(labelled > 0 && {
      accuracy: { images: labelled, float: known.float / labelled, rounded: known.rounded / labelled },
    }),
  };
}

/**
 * Measures both models in turns, so that whatever else the machine does slows both.
 * @param pairs runs of each; an odd number
 * @param onPair called after each pair of runs
 */
export async function compareSpeed(
  { float, rounded }: ComparedModels,
  pixels: Uint8Array,
  pairs: number,
  onPair: () => void,
): Promise<SpeedComparison> {
  const timed = async (compute: Compute): Promise<number> => {
    const start = performance.now();
    await compute(pixels);
    return performance.now() - start;
  };
  // The first runs lay out memory.
  for (const compute of [float, rounded]) await compute(pixels);
  const runs: { float: number; rounded: number }[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    runs.push({ float: await timed(float), rounded: await timed(rounded) });
    onPair();
  }
  return {
    floatMs: median(runs.map((run) => run.float)),
    roundedMs: median(runs.map((run) => run.rounded)),
    ratio: median(runs.map((run) => run.float / run.rounded)),
  };
}

function indexOfMax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? Number.NaN) ? index : best), 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
