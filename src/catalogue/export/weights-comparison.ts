import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readCheckedJson, writeCheckedJson } from '../../common/checked-json.ts';
import { type QuantizedStorage, quantizedFolder } from './tfjs-quantization.ts';

const share = z.number().min(0).max(1);

const weightsComparisonSchema = z.object({
  /** ISO 8601 in UTC. */
  measured_at: z.string(),
  size_bytes: z.int().positive(),
  float_size_bytes: z.int().positive(),
  /** Images on which both were compared. */
  images: z.int().positive(),
  /** Share of the images for which both name the same most probable class. */
  agreement: share,
  /** Largest difference of a probability. */
  max_probability_difference: share,
  /** On the images whose class the model knows; null when there are none. */
  accuracy: z.object({ images: z.int().positive(), float: share, rounded: share }).nullable(),
  /** Median milliseconds of one image on one thread, measured in turns; `ratio` is the median of the pairs' ratios. */
  speed: z.object({ float_ms: z.number(), rounded_ms: z.number(), ratio: z.number() }),
});

/** A TF.js model with rounded weights beside the same in floats, as the card shows it. */
export type WeightsComparison = z.output<typeof weightsComparisonSchema>;

/**
 * Keeps a comparison beside the weights that were compared. When these are made anew, it is gone: it was of others.
 * @param modelPath `model.json` of the rounded weights
 */
export async function keepWeightsComparison(modelPath: string, comparison: WeightsComparison): Promise<void> {
  await writeCheckedJson(join(dirname(modelPath), RECORD_FILE), comparison);
}

/** The last comparison of rounded weights; undefined when there has been none. */
export async function readWeightsComparison(
  model: { readonly onnx: { readonly path: string } },
  storage: QuantizedStorage,
): Promise<WeightsComparison | undefined> {
  return await readCheckedJson(join(quantizedFolder(model, storage), RECORD_FILE), weightsComparisonSchema);
}

const RECORD_FILE = 'comparison.json';
