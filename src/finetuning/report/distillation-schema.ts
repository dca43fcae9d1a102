import { z } from 'zod';
import { count, interval, share } from './figures-schema.ts';

/** How well the student learnt its teacher's answers. */
export const distillationSchema = z.object({
  temperature: z.number().positive(),
  pictures: z.object({ train: count, validation: count, test: count, unreadable: count }),
  /** Pictures that could not be read, the first ones. */
  unreadable: z.array(z.object({ file: z.string(), reason: z.string() })),
  /** Share of the test pictures on which student and teacher name the same class. */
  agreement: share,
  agreement_interval: interval,
  /** Share on which the teacher's class is among the student's five most probable ones. */
  top5_agreement: share,
  /** Share on which the teacher names the class that it names most often: what a constant answer would reach. */
  most_common: share,
  /** Mean divergence of the probabilities on the test pictures, in nats, at temperature 1. */
  divergence: z.number(),
  models: z.array(
    z.object({
      role: z.enum(['teacher', 'student']),
      model: z.string(),
      parameters: count,
      weights_bytes: count,
      /** Of ONNX Runtime on one thread, in batches. */
      ms_per_image: z.number().positive(),
    }),
  ),
});
