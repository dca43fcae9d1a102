import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from '../../common/concurrency.ts';
import type { Augmentation } from '../../image/augment.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import { type DatasetFeatures, extractFeatures } from '../features/dataset-features.ts';
import { FeatureExtraction } from '../features/feature-extraction.ts';
import {
  type FeatureNetwork,
  openFeatureNetwork,
  openLayeredNetwork,
  type TrainingModel,
} from '../features/feature-network.ts';
import type { CopyChoice } from './space.ts';

/** What features are computed from and kept in. */
export interface FeatureSource {
  readonly source: Pick<ImageSource, 'read'>;
  readonly augmentation: Augmentation;
  readonly seed: number;
  readonly featureDir: string;
  readonly maxPixels: number;
  /** An existing folder for temporary files. */
  readonly workDir: string;
  readonly lastOnly: boolean;
}

const IN_FLIGHT = 32;
/** Copies of the choice `more`, as a multiple of those of the options. */
const MORE = 3;

/** Thrown when the features cannot be computed in time. What was computed is in the cache. */
export class OutOfTime extends Error {}

/** Features of images on several backbones; networks and features stay open until `close`. */
export class RungFeatures {
  readonly #parts: FeatureSource;
  readonly #networks = new Map<string, Promise<FeatureNetwork>>();
  readonly #features = new Map<string, DatasetFeatures>();

  constructor(parts: FeatureSource) {
    this.#parts = parts;
  }

  /** Whether `get` has the features already. */
  has(backbone: TrainingModel, choice: CopyChoice): boolean {
    return this.#features.has(`${backbone.name} ${choice}`);
  }

  /**
   * Features of images, which must be the same for all calls, with the copies of a choice.
   * @param deadline milliseconds since 1970
   * @throws OutOfTime
   */
  async get(
    backbone: TrainingModel,
    choice: CopyChoice,
    images: readonly DatasetImage[],
    deadline: number,
  ): Promise<DatasetFeatures> {
    const key = `${backbone.name} ${choice}`;
    const known = this.#features.get(key);
    if (known !== undefined) return known;
    const { source, augmentation, seed, featureDir, maxPixels } = this.#parts;
    const extraction = await FeatureExtraction.open({
      network: await this.#network(backbone),
      augmentation: variedBy(choice, augmentation),
      seed,
      cacheDir: featureDir,
      maxPixels,
    });
    try {
      const expectTime = (): void => {
        if (Date.now() > deadline) throw new OutOfTime('the budget is spent');
      };
      await forEachConcurrently(images, IN_FLIGHT, async ({ file, digest }) => {
        expectTime();
        await extraction.inspect(await source.read(file), digest);
      });
      const features = await extractFeatures({ images, negatives: [] }, source, extraction, {
        concurrency: IN_FLIGHT,
        onProgress: expectTime,
      });
      this.#features.set(key, features);
      return features;
    } finally {
      extraction.close();
    }
  }

  async close(): Promise<void> {
    this.#features.clear();
    const networks = [...this.#networks.values()];
    this.#networks.clear();
    for (const network of networks) await (await network).close();
  }

  #network(backbone: TrainingModel): Promise<FeatureNetwork> {
    const known = this.#networks.get(backbone.name) ?? this.#open(backbone);
    this.#networks.set(backbone.name, known);
    return known;
  }

  async #open(backbone: TrainingModel): Promise<FeatureNetwork> {
    if (this.#parts.lastOnly) return openFeatureNetwork(backbone);
    // Each network is a file of the same name.
    return openLayeredNetwork(backbone, await mkdtemp(join(this.#parts.workDir, 'backbone-')));
  }
}

/** Copies that a choice makes of each image. */
export function copiesOf(choice: CopyChoice, { copies }: Pick<Augmentation, 'copies'>): number {
  if (choice === 'none') return 0;
  return choice === 'more' ? MORE * copies : copies;
}

/** The augmentation that makes the copies of a choice. */
export function variedBy(choice: CopyChoice, augmentation: Augmentation): Augmentation {
  const copies = copiesOf(choice, augmentation);
  return { ...augmentation, copies, ...(choice === 'unmirrored' && { horizontalFlip: false }) };
}
