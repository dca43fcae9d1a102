import type { ComparedImage } from './calibration-images.ts';
import type { Quantization } from './quantization-record.ts';

/** Computes the probabilities of one image. */
export type Compute = (pixels: Uint8Array) => Promise<Float32Array>;

/** A model in floats and in bytes. */
interface ComparedModels {
  readonly float: Compute;
  readonly int8: Compute;
}

/** Compares the answers of both models. @param onImage called after each image */
export async function compareAnswers(
  { float, int8 }: ComparedModels,
  images: AsyncIterable<ComparedImage>,
  onImage: () => void,
): Promise<Pick<Quantization, 'images' | 'agreement' | 'max_probability_difference' | 'accuracy'>> {
  let [count, agreeing, largest] = [0, 0, 0];
  const known = { images: 0, float: 0, int8: 0 };
  for await (const { pixels, index } of images) {
    const [exact, rounded] = [await float(pixels), await int8(pixels)];
    const [best, found] = [indexOfMax(exact), indexOfMax(rounded)];
    count += 1;
    agreeing += best === found ? 1 : 0;
    // What is not finite counts as the largest possible difference.
    for (const [at, value] of exact.entries()) {
      const difference = Math.abs(value - (rounded[at] ?? Number.NaN));
      largest = Math.max(largest, Number.isFinite(difference) ? Math.min(1, difference) : 1);
    }
    if (index !== undefined) {
      known.images += 1;
      known.float += best === index ? 1 : 0;
      known.int8 += found === index ? 1 : 0;
    }
    onImage();
  }
  const { images: labelled } = known;
  return {
    images: count,
    agreement: agreeing / count,
    max_probability_difference: largest,
    accuracy: labelled === 0 ? null : { images: labelled, float: known.float / labelled, int8: known.int8 / labelled },
  };
}

/**
 * Measures both models in turns, so that whatever else the machine does slows both.
 * @param pairs runs of each; an odd number
 * @param onPair called after each pair of runs
 */
export async function compareSpeed(
  { float, int8 }: ComparedModels,
  pixels: Uint8Array,
  pairs: number,
  onPair: () => void,
): Promise<Quantization['speed']> {
  const timed = async (compute: Compute): Promise<number> => {
    const start = performance.now();
    await compute(pixels);
    return performance.now() - start;
  };
  // The first runs lay out memory.
  for (const compute of [float, int8]) await compute(pixels);
  const runs: { float: number; int8: number }[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    runs.push({ float: await timed(float), int8: await timed(int8) });
    onPair();
  }
  return {
    float_ms: median(runs.map((run) => run.float)),
    int8_ms: median(runs.map((run) => run.int8)),
    ratio: median(runs.map((run) => run.float / run.int8)),
  };
}

function indexOfMax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? Number.NaN) ? index : best), 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
