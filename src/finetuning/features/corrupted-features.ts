import { forEachConcurrently } from '../../common/concurrency.ts';
import { CORRUPTIONS, type CorruptionKind, SEVERITIES } from '../../image/corruptions/corrupt.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import type { ExtractionControl, FeatureExtraction } from './feature-extraction.ts';

/** A corrupted test image. */
export interface CorruptedImage extends CorruptionKind {
  /** Index among the test images. */
  readonly image: number;
}

/** Features of corrupted test images. */
export interface CorruptedFeatures {
  /** What each row shows. */
  readonly rows: readonly CorruptedImage[];
  /** `[rows, dimension]` */
  readonly features: Float32Array;
}

/** All corruptions at all severities. */
const KINDS: readonly CorruptionKind[] = CORRUPTIONS.flatMap((corruption) =>
  SEVERITIES.map((severity) => ({ corruption, severity })),
);

/**
 * The most corrupted images, as a share of the images and copies that a job computes anyway: the report is to cost a
 * small part of the job. One image for each corruption and severity, 55 in all, is the least.
 */
const SHARE_OF_JOB = 0.15;

/**
 * Which test images are corrupted in which way: every corruption and severity has equally many, and as many images as
 * possible have a part, since the answers to one image resemble each other.
 * @param tested number of test images, at least 1
 * @param computed number of images and copies whose features the job computes
 */
export function planCorruptions(tested: number, computed: number): CorruptedImage[] {
  const each = Math.max(1, Math.min(tested, Math.floor((SHARE_OF_JOB * computed) / KINDS.length)));
  // Images of a class mostly stand together: a stride that is no divisor spreads each kind over the classes.
  const stride = strideFor(tested);
  return KINDS.flatMap((kind, index) =>
    Array.from({ length: each }, (_, nth) => ({ ...kind, image: ((index * each + nth) * stride) % tested })),
  );
}

/** About 0.618 of the size and coprime to it, so that multiples visit every image, far from each other. */
function strideFor(size: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let stride = Math.max(1, Math.round(size * 0.618));
  while (divisor(size, stride) !== 1) stride += 1;
  return stride;
}

/** Features of the corrupted images of a plan. Each image is decoded once. @param tested the test images */
export async function corruptedFeatures(
  plan: readonly CorruptedImage[],
  tested: readonly DatasetImage[],
  source: Pick<ImageSource, 'read'>,
  extraction: FeatureExtraction,
  { concurrency, onProgress }: ExtractionControl,
): Promise<CorruptedFeatures> {
  const dimension = extraction.layers.reduce((sum, { size }) => sum + size, 0);
  const features = new Float32Array(plan.length * dimension);
  const byImage = new Map<number, number[]>();
  for (const [row, { image }] of plan.entries()) byImage.set(image, [...(byImage.get(image) ?? []), row]);
  let done = 0;
  await forEachConcurrently(byImage, concurrency, async ([image, rows]) => {
    const found = tested[image];
    if (found === undefined) throw new Error(`there is no test image ${image}`);
    const kinds = rows.flatMap((row) => plan[row] ?? []);
    const computed = await extraction.corrupted(found.digest, kinds, () => source.read(found.file));
    for (const [index, row] of rows.entries()) features.set(computed[index] ?? [], row * dimension);
    done += rows.length;
    onProgress(done, plan.length);
  });
  return { rows: plan, features };
}
