import { seededRandom } from '../../../src/common/random.ts';
import type { Samples } from '../../../src/finetuning/features/feature-set.ts';

export interface BlobOptions {
  readonly classes: number;
  readonly perClass: number;
  readonly dimension: number;
  /** Distance of the centres from the origin, in deviations of a blob. */
  readonly distance: number;
  /** Draws the samples; the centres are the same for every seed. */
  readonly seed: number;
}

/** Overlapping Gaussian clouds, one a class, as a stand-in for the features of photographs. */
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
      // Scaled and shifted per feature, as no backbone's features come standardised.
      const value = random.normal() + (centres[label * dimension + j] ?? 0);
      features[row * dimension + j] = 3 + (1 + (j % 5)) * value;
    }
  }
  return { features, labels };
}
