import { topK } from '../answering/postprocess.ts';
import { forEachConcurrently } from '../common/concurrency.ts';
import { AppError } from '../common/errors.ts';
import { type Random, seededRandom } from '../common/random.ts';
import { openImageSource } from '../finetuning/dataset/dataset.ts';
import type { Preprocessing } from '../image/crop.ts';
import type { PreprocessedImage } from '../image/preprocess.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { AnswerName } from '../runtime/session.ts';
import type { Batcher } from '../serving/batcher.ts';
import type { ConvertedModel } from '../serving/conversion-cache.ts';

/** Dependencies of `testPerturbation`. */
export interface PerturbationParts {
  readonly converted: (model: ModelVersion) => Promise<Pick<ConvertedModel, 'activationShape'>>;
  /** Runs the model on ONNX Runtime. */
  readonly queue: Pick<Batcher, 'submit'>;
  readonly preprocess: (bytes: Uint8Array, recipe: Preprocessing) => Promise<PreprocessedImage>;
}

/** Input of `testPerturbation`. */
export interface PerturbationRequest {
  readonly model: ModelVersion;
  /** A folder or zip with images at any depth. */
  readonly path: string;
  /** Most images to test, drawn at random. */
  readonly images: number;
  /** Random patches that are tried for each image. */
  readonly draws: number;
  readonly seed: number;
  /** Called after each image. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A mean over the images and the half-width of its 95 % confidence interval. */
export interface Mean {
  readonly mean: number;
  readonly margin: number;
}

/** Mean drops of the probability of the most probable class when a fifth of the pixels is blanked. */
export interface PerturbationResult {
  readonly images: number;
  /** The fifth where the explanation is hottest. */
  readonly hottest: Mean;
  /** A random fifth in patches of the same size: the cells of the explanation are shuffled. */
  readonly random: Mean;
  /** The same patches, moved: the explanation is shifted at random and wraps around at the edges. */
  readonly moved: Mean;
  /** `hottest` minus `random`, computed for each image. */
  readonly gain: Mean;
  /** Number of files that cannot be read as images. They are not counted. */
  readonly unreadable: number;
}

/** Share of the pixels that are blanked. */
const BLANKED = 0.2;
/** Images that are processed concurrently. */
const IN_FLIGHT = 32;

/**
 * Tests whether explanations point at the pixels that the model's prediction depends on. The hottest fifth of an
 * image's pixels is replaced by the image's mean colour, and for comparison a random fifth. If the explanation is
 * right, the first lowers the probability of the predicted class more (the deletion test of Petsiuk et al. 2018,
 * https://arxiv.org/abs/1806.07421, with one step).
 *
 * @throws AppError `dataset_layout` when none of the files is an image that can be read
 */
export async function testPerturbation(
  { converted, queue, preprocess }: PerturbationParts,
  { model, path, images, draws, seed, onProgress }: PerturbationRequest,
): Promise<PerturbationResult> {
  const [rows, columns] = (await converted(model)).activationShape;
  const recipe = model.manifest.preprocessing;
  const [height, width] = recipe.inputSize;
  const source = await openImageSource(path);
  const test = async (pixels: Uint8Array, random: Random): Promise<Drops> => {
    const { probabilities, explanation } = await run(pixels, ['probabilities', 'explanation']);
    const best = topK(probabilities, 1)[0];
    if (best === undefined || explanation === undefined) throw new Error('the engine returned no explanation');
    const grid: Grid = { rows, columns, values: explanation };
    const dropOf = async (heat: Grid): Promise<number> => {
      const blank = await run(blanked(pixels, hottestPixels(heat, height, width)), ['probabilities']);
      return best.score - (blank.probabilities[best.index] ?? 0);
    };
    const meanDrop = async (make: () => Grid): Promise<number> => {
      const each = await Promise.all(Array.from({ length: draws }, () => dropOf(make())));
      return meanOf(each).mean;
    };
    return {
      hottest: await dropOf(grid),
      random: await meanDrop(() => ({ ...grid, values: Float32Array.from(random.shuffle([...explanation])) })),
      moved: await meanDrop(() => rolled(grid, 1 + random.below(rows * columns - 1))),
    };
  };
  const run = async (pixels: Uint8Array, outputs: readonly AnswerName[]) => {
    const answer = await queue.submit(pixels, { priority: 'bulk', outputs });
    const { probabilities } = answer.outputs;
    if (probabilities === undefined) throw new Error('the engine returned no probabilities');
    return { probabilities, explanation: answer.outputs.explanation };
  };
  try {
    const files = seededRandom(seed)
      .shuffle([...source.files])
      .slice(0, images);
    // In the order of the files, not of completion, so that rounding is the same in every run.
    const drops: (Drops | undefined)[] = files.map(() => undefined);
    let done = 0;
    await forEachConcurrently([...files.entries()], IN_FLIGHT, async ([index, file]) => {
      try {
        const { pixels } = await preprocess(await source.read(file), recipe);
        drops[index] = await test(pixels, seededRandom(seed, 1 + index));
      } catch (thrown) {
        if (!(thrown instanceof AppError) || thrown.status >= 500) throw thrown;
      }
      onProgress?.(++done, files.length);
    });
    const tested = drops.filter((each) => each !== undefined);
    if (tested.length === 0) throw new AppError('dataset_layout', `${path} has no image that can be read`);
    return {
      images: tested.length,
      hottest: meanOf(tested.map(({ hottest }) => hottest)),
      random: meanOf(tested.map(({ random }) => random)),
      moved: meanOf(tested.map(({ moved }) => moved)),
      gain: meanOf(tested.map(({ hottest, random }) => hottest - random)),
      unreadable: drops.length - tested.length,
    };
  } finally {
    await source.close();
  }
}

/** Drops of the probability for one image. */
type Drops = Record<'hottest' | 'random' | 'moved', number>;

interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** Shifts a grid by `steps` cells in reading order; rows and columns wrap around. */
function rolled({ rows, columns, values }: Grid, steps: number): Grid {
  const [down, across] = [Math.floor(steps / columns), steps % columns];
  const moved = values.map((_, cell) => {
    const row = (Math.floor(cell / columns) + down) % rows;
    return values[row * columns + ((cell + across) % columns)] ?? 0;
  });
  return { rows, columns, values: moved };
}

/** Indices of the hottest pixels. The heat of a pixel is interpolated bilinearly between the centres of the cells. */
function hottestPixels(grid: Grid, height: number, width: number): Uint32Array {
  const [down, across] = [centres(height, grid.rows), centres(width, grid.columns)];
  const heat = new Float32Array(height * width);
  for (const [y, row] of down.entries()) {
    for (const [x, column] of across.entries()) {
      const at = (r: number, c: number): number => grid.values[r * grid.columns + c] ?? 0;
      const above = mix(at(row.first, column.first), at(row.first, column.second), column.share);
      const below = mix(at(row.second, column.first), at(row.second, column.second), column.share);
      heat[y * width + x] = mix(above, below, row.share);
    }
  }
  const order = Uint32Array.from(heat.keys()).sort((a, b) => (heat[b] ?? 0) - (heat[a] ?? 0));
  return order.subarray(0, Math.round(BLANKED * order.length));
}

/** A position between the centres of two cells. */
interface Between {
  readonly first: number;
  readonly second: number;
  /** Weight of the second, 0..1. */
  readonly share: number;
}

/** Position of each pixel between two cells. Beyond the outermost centres the heat is constant. */
function centres(pixels: number, cells: number): Between[] {
  return Array.from({ length: pixels }, (_, pixel) => {
    const place = Math.min(Math.max(((pixel + 0.5) * cells) / pixels - 0.5, 0), cells - 1);
    const first = Math.floor(place);
    return { first, second: Math.min(first + 1, cells - 1), share: place - first };
  });
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

/** A copy of the image in which some pixels have the image's mean colour. */
function blanked(pixels: Uint8Array, places: Uint32Array): Uint8Array {
  const sums = [0, 0, 0];
  for (const [index, value] of pixels.entries()) sums[index % 3] = (sums[index % 3] ?? 0) + value;
  const colour = sums.map((sum) => Math.round(sum / (pixels.length / 3)));
  // `pixels.slice()` of a Buffer would not copy.
  const result = Uint8Array.from(pixels);
  for (const place of places) result.set(colour, 3 * place);
  return result;
}

function meanOf(values: readonly number[]): Mean {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(count - 1, 1);
  return { mean, margin: 1.96 * Math.sqrt(variance / count) };
}
