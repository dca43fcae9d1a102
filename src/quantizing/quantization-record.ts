import { z } from 'zod';
import { CALIBRATION_METHODS } from '../convert/quantize/ranges.ts';

const share = z.number().min(0).max(1);

/**
 * What is known of a model in 8-bit integers, beside the model itself in floats; as the card shows it. It was measured
 * when the model was made, on images that were not used for calibration.
 */
export const quantizationSchema = z.object({
  /** ISO 8601 in UTC. */
  made_at: z.string(),
  method: z.enum(CALIBRATION_METHODS),
  sha256: z.string(),
  size_bytes: z.int().positive(),
  float_size_bytes: z.int().positive(),
  /** Images from which the ranges of values were learned. */
  calibration_images: z.int().positive(),
  /** Images on which both were compared. */
  images: z.int().positive(),
  /** Share of the images for which both name the same most probable class. */
  agreement: share,
  /** Largest difference of a probability. */
  max_probability_difference: share,
  /** On the images whose class the model knows; null when there are none. */
  accuracy: z.object({ images: z.int().positive(), float: share, int8: share }).nullable(),
  /** Median milliseconds of one image on one thread, measured in turns; `ratio` is the median of the pairs' ratios. */
  speed: z.object({ float_ms: z.number(), int8_ms: z.number(), ratio: z.number() }),
});

export type Quantization = z.output<typeof quantizationSchema>;
