import { forEachConcurrently } from '../../common/concurrency.ts';
import type { OfferedLayer } from '../../convert/transfer/layered-network.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import type { Preflight } from '../dataset/preflight.ts';
import type { Split } from '../dataset/split-names.ts';
import type { CorruptedFeatures } from './corrupted-features.ts';
import type { ExtractionControl, FeatureExtraction } from './feature-extraction.ts';
import type { FeatureSet, Samples } from './feature-set.ts';

/** The image that a sample comes from. */
export interface SampleSource {
  /** SHA-256 of its file, in hex. */
  readonly digest: string;
  /** Index of the augmented copy; the image itself when absent. */
  readonly copy?: number;
}

/** Feature vectors of a data set, by split. */
export interface DatasetFeatures {
  /** The layers that the columns come from, in order; the last is the backbone's own features. */
  readonly layers: readonly OfferedLayer[];
  /** Training images and their augmented copies. */
  readonly train: { readonly set: FeatureSet; readonly labels: Int32Array };
  readonly validation: Samples;
  readonly test: Samples;
  /** Names of the test images in the report. */
  readonly testNames: readonly string[];
  /** Features of corrupted test images; undefined when they are not to be tested. */
  readonly corrupted?: CorruptedFeatures | undefined;
  /** Features of images that show none of the classes, `[n, dimension]`: to tune a detector, and to test it. */
  readonly negatives?: { readonly tuning: Float32Array; readonly test: Float32Array };
}

/** What is known about an image. */
type SplitImage = Pick<DatasetImage, 'file' | 'digest' | 'split' | 'classIndex'>;

/**
 * Features of inspected images, and of the augmented copies of those in the training split, in the order of the images.
 */
export async function extractFeatures(
  { images, negatives }: { readonly images: readonly SplitImage[]; readonly negatives: Preflight['negatives'] },
  source: Pick<ImageSource, 'read'>,
  extraction: FeatureExtraction,
  options: ExtractionControl,
): Promise<DatasetFeatures> {
  const of = (split: Split): SplitImage[] => images.filter((image) => image.split === split);
  const labels = (chosen: readonly SplitImage[]) => Int32Array.from(chosen, ({ classIndex }) => classIndex);
  const originals = async (chosen: readonly SplitImage[]) =>
    rowsToMatrix(await Promise.all(chosen.map(({ digest }) => extraction.original(digest))));

  const { layers } = extraction;
  const [train, validation, test] = [of('train'), of('validation'), of('test')];
  const copies = await copiesOf(train, source, extraction, options);
  const sources = Int32Array.from(copies.flatMap((rows, image) => rows.map(() => image)));
  return {
    layers,
    train: {
      set: {
        name: 'features',
        dimension: layers.reduce((sum, { size }) => sum + size, 0),
        originals: await originals(train),
        ...(sources.length > 0 && { copies: { features: rowsToMatrix(copies.flat()), sources } }),
      },
      labels: labels(train),
    },
    validation: { features: await originals(validation), labels: labels(validation) },
    test: { features: await originals(test), labels: labels(test) },
    testNames: test.map(({ file }) => file.name),
    negatives: {
      tuning: await originals(negatives.filter(({ split }) => split !== 'test')),
      test: await originals(negatives.filter(({ split }) => split === 'test')),
    },
  };
}

/**
 * Where the samples of `extractFeatures` come from: in the training split all images, then their copies, as `samplesOf`
 * orders them.
 */
export function sampleSources(
  images: readonly SplitImage[],
  copies: number,
): Readonly<Record<Split, readonly SampleSource[]>> {
  const of = (split: Split): SampleSource[] =>
    images.filter((image) => image.split === split).map(({ digest }) => ({ digest }));
  const train = of('train');
  const copied = train.flatMap(({ digest }) => Array.from({ length: copies }, (_, copy) => ({ digest, copy })));
  return { train: [...train, ...copied], validation: of('validation'), test: of('test') };
}

/** The features of the copies of each image. */
async function copiesOf(
  images: readonly SplitImage[],
  source: Pick<ImageSource, 'read'>,
  extraction: FeatureExtraction,
  { concurrency, onProgress }: ExtractionControl,
): Promise<Float32Array[][]> {
  const copies: Float32Array[][] = [];
  let done = 0;
  await forEachConcurrently(images.entries(), concurrency, async ([index, { digest, file }]) => {
    copies[index] = await extraction.copies(digest, () => source.read(file));
    done += 1;
    onProgress(done, images.length);
  });
  return copies;
}

function rowsToMatrix(rows: readonly Float32Array[]): Float32Array {
  const dimension = rows[0]?.length ?? 0;
  const matrix = new Float32Array(rows.length * dimension);
  for (const [index, row] of rows.entries()) matrix.set(row, index * dimension);
  return matrix;
}

/** The features of the last `count` layers only. */
export function lastLayers(features: DatasetFeatures, count: number): DatasetFeatures {
  const { layers, train, validation, test, corrupted, negatives } = features;
  if (count === layers.length) return features;
  const kept = layers.slice(-count);
  const all = layers.reduce((sum, { size }) => sum + size, 0);
  const dimension = kept.reduce((sum, { size }) => sum + size, 0);
  const cut = (matrix: Float32Array): Float32Array => lastColumns(matrix, all, dimension);
  const { originals, copies } = train.set;
  return {
    ...features,
    layers: kept,
    train: {
      ...train,
      set: {
        ...train.set,
        dimension,
        originals: cut(originals),
        ...(copies && { copies: { ...copies, features: cut(copies.features) } }),
      },
    },
    validation: { ...validation, features: cut(validation.features) },
    test: { ...test, features: cut(test.features) },
    corrupted: corrupted && { ...corrupted, features: cut(corrupted.features) },
    ...(negatives && { negatives: { tuning: cut(negatives.tuning), test: cut(negatives.test) } }),
  };
}

/** The last `kept` columns of a matrix of `width`. */
function lastColumns(matrix: Float32Array, width: number, kept: number): Float32Array {
  const rows = matrix.length / width;
  const result = new Float32Array(rows * kept);
  for (let row = 0; row < rows; row++) {
    result.set(matrix.subarray((row + 1) * width - kept, (row + 1) * width), row * kept);
  }
  return result;
}
