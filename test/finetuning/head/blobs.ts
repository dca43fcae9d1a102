import { seededRandom } from '../../../src/common/random.ts';
import type { Samples } from '../../../src/finetuning/features/feature-set.ts';

export interface BlobOptions {
  readonly classes: number;
  readonly perClass: number;
  readonly dimension: number;
  /** Distance of the centres from the origin, in standard deviations. */
  readonly distance: number;
  /** Seed of the samples. The centres are the same for every seed. */
  readonly seed: number;
}

/** Samples from overlapping Gaussian clouds, one for each class, in place of the features of photographs. */
export function blobs({ classes, perClass, dimension, distance, seed }: BlobOptions): Samples {
  const centre = seededRandom(12345);
  const centres = Array.from(
    { length: classes * dimension },
    () => (centre.normal() * distance) / Math.sqrt(dimension),
  );
  const random = seededRandom(seed, 9);
  const labels = Int32Array.from({ length: classes * perClass }, (_, i) => i % classes);
  const features = new Float32Array(labels.length * dimension);
  for (const [row, label] of labels.entries()) {
    for (let j = 0; j < dimension; j++) {
      // Each feature has its own scale and offset, like the features of a backbone.
      const value = random.normal() + (centres[label * dimension + j] ?? 0);
      features[row * dimension + j] = 3 + (1 + (j % 5)) * value;
    }
  }
  return { features, labels };
}
