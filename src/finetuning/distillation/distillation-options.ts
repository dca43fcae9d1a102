import { z } from 'zod';
import { AppError } from '../../common/errors.ts';
import { augmentationSchema } from '../../image/augmentation.ts';
import { describeIssues } from '../../registry/manifest.ts';
import { finetuneOptionsSchema } from '../finetune-options.ts';

const { name, depth, promote, seed, validation_share, test_share } = finetuneOptionsSchema.shape;

/** Options of a distillation; the two models are required. */
export const distillationOptionsSchema = z.strictObject({
  /** The model whose answers are learnt. */
  teacher: z.string(),
  /** The model that learns them: its last layer is replaced. */
  student: z.string(),
  /** Default: `<student>-<teacher>`, without what follows the dots. */
  name: name.optional(),
  /** What is trained of the student. */
  depth: depth.default('last_stage'),
  /** Softens the probabilities of both, so that the teacher's unlikely classes count too. */
  temperature: z.number().min(1).max(20).default(2),
  augmentation: augmentationSchema.prefault({}),
  epochs: z.number().int().min(1).max(1000).optional(),
  promote,
  seed,
  validation_share,
  test_share,
});

/** Parsed options, with a name. */
export type DistillationOptions = z.output<typeof distillationOptionsSchema> & { readonly name: string };

/** @throws AppError `invalid_request`, which names every wrong field and what it must be */
export function parseDistillationOptions(given: unknown): DistillationOptions {
  const parsed = distillationOptionsSchema.safeParse(given);
  if (!parsed.success) {
    throw new AppError('invalid_request', describeIssues(parsed.error), {
      context: { fields: parsed.error.issues.map(({ path }) => path.join('.')) },
    });
  }
  const { student, teacher } = parsed.data;
  const short = (model: string): string => model.split(/[.@]/)[0] ?? model;
  return { ...parsed.data, name: parsed.data.name ?? `${short(student)}-${short(teacher)}`.slice(0, 64) };
}
