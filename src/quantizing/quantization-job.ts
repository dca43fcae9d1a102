import { z } from 'zod';
import type { JsonObject } from '../common/json.ts';
import { CALIBRATION_METHODS } from '../convert/quantize/ranges.ts';
import type { JobProgress } from '../jobs/job-queue.ts';
import type { ModelQuantizer } from './model-quantizer.ts';

/** The kind of jobs that quantize. */
export const QUANTIZATION = 'quantization';

const requestSchema = z.object({
  kind: z.literal(QUANTIZATION),
  /** `name@version` of the model. */
  name: z.string(),
  method: z.enum(CALIBRATION_METHODS),
});

/** The payload of a job that quantizes. */
export type QuantizationRequest = z.output<typeof requestSchema>;

/** Does a job. @returns its result */
export async function workOnQuantization(
  quantizer: Pick<ModelQuantizer, 'quantize'>,
  payload: unknown,
  imagesPath: string,
  { onProgress, signal }: { readonly onProgress: (progress: JobProgress) => void; readonly signal: AbortSignal },
): Promise<JsonObject> {
  const { name, method } = requestSchema.parse(payload);
  const { model, record } = await quantizer.quantize(name, imagesPath, method, {
    onProgress: (progress) => onProgress({ ...progress }),
    signal,
  });
  return { model: model.name, version: model.version, variant: 'int8', quantization: record };
}
