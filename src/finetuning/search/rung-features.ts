import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from '../../common/concurrency.ts';
import type { Augmentation } from '../../image/augmentation.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import { type DatasetFeatures, extractFeatures } from '../features/dataset-features.ts';
import { FeatureExtraction } from '../features/feature-extraction.ts';
import { type FeatureNetwork, openTrainingNetwork, type TrainingModel } from '../features/feature-network.ts';
import type { SharedFeatures } from '../features/shared-features.ts';

/** What features are computed from and kept in. */
export interface FeatureSource {
  readonly source: Pick<ImageSource, 'read'>;
  readonly augmentation: Augmentation;
  readonly seed: number;
  readonly featureDir: string;
  readonly shared: SharedFeatures | undefined;
  readonly maxPixels: number;
  /** An existing folder for temporary files. */
  readonly workDir: string;
  readonly layers: 'last' | 'all' | undefined;
}

/** Images whose features are computed. */
export interface RungImages {
  readonly backbone: TrainingModel;
  readonly images: readonly DatasetImage[];
  /** Whether those of their copies are computed too. */
  readonly copied: boolean;
}

/** Features, and how many passes of the network they took. */
export interface RungFeatures {
  readonly features: DatasetFeatures;
  /** Without those that were in the cache. */
  readonly passes: number;
  /** Milliseconds to open the network, however many passes follow. */
  readonly opening: number;
}

const IN_FLIGHT = 32;

/** Thrown when the features cannot be computed in time. What was computed is in the cache. */
export class OutOfTime extends Error {}

/**
 * Computes the features of a rung on one backbone, and keeps them for the training after the search.
 * @param isLate asked before each image
 * @throws OutOfTime
 */
export async function rungFeatures(
  { source, augmentation, seed, featureDir, shared, maxPixels, workDir, layers }: FeatureSource,
  { backbone, images, copied }: RungImages,
  isLate: () => boolean,
): Promise<RungFeatures> {
  // Each network is a file of the same name.
  const began = performance.now();
  const folder = await mkdtemp(join(workDir, 'backbone-'));
  const network = await openTrainingNetwork({ depth: 'head', layers }, backbone, folder);
  const opening = performance.now() - began;
  let passes = 0;
  const counted: FeatureNetwork = {
    ...network,
    compute: (pixels) => {
      passes += 1;
      return network.compute(pixels);
    },
  };
  const expectTime = (): void => {
    if (isLate()) throw new OutOfTime('the budget is spent');
  };
  try {
    const extraction = await FeatureExtraction.open({
      network: counted,
      augmentation: copied ? augmentation : { ...augmentation, copies: 0 },
      seed,
      cacheDir: featureDir,
      shared,
      maxPixels,
    });
    try {
      await forEachConcurrently(images, IN_FLIGHT, async ({ file, digest }) => {
        expectTime();
        await extraction.inspect(await source.read(file), digest);
      });
      const features = await extractFeatures({ images, negatives: [] }, source, extraction, {
        concurrency: IN_FLIGHT,
        onProgress: expectTime,
      });
      return { features, passes, opening };
    } finally {
      extraction.close();
    }
  } finally {
    await network.close();
  }
}
