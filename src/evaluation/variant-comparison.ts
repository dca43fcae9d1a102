import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { TfjsQuantizer } from '../catalogue/export/tfjs-quantization.ts';
import { keepWeightsComparison, type WeightsComparison } from '../catalogue/export/weights-comparison.ts';
import { openPreparedImages } from '../quantizing/calibration-images.ts';
import {
  type AnswerComparison,
  type Compute,
  compareAnswers,
  compareSpeed,
  PAIRS,
  type SpeedComparison,
} from '../quantizing/comparison.ts';
import { type QuantizedModels, variantUnavailable } from '../quantizing/quantized-models.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { type ConversionCache, requireFormat } from '../serving/conversion-cache.ts';
import type { EngineModel } from '../serving/engine-messages.ts';
import type { EnginePool } from '../serving/engine-pool.ts';

/** Forms of a model that are compared with floats: `int8` in ONNX, and weights of `float16` or `uint8` in TF.js. */
export const ROUNDED_VARIANTS = ['int8', 'float16', 'uint8'] as const;
export type RoundedVariant = (typeof ROUNDED_VARIANTS)[number];

/** A variant beside the model in floats, both computed by the runtime of the variant on one thread. */
export interface VariantComparison extends AnswerComparison {
  readonly variant: RoundedVariant;
  readonly speed: SpeedComparison;
  readonly sizeBytes: number;
  readonly floatSizeBytes: number;
}

/** Dependencies of `compareVariant`. */
export interface VariantParts {
  readonly conversions: Pick<ConversionCache, 'verified'>;
  readonly quantized: Pick<QuantizedModels, 'find'>;
  readonly tfjsQuantizer: Pick<TfjsQuantizer, 'get'>;
  readonly engines: Pick<EnginePool, 'acquire' | 'unload'>;
  readonly maxImagePixels: number;
}

/** A file that an engine opens, and the bytes of all files of the model. */
interface ModelFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Compares a variant of a model with the same in floats, on all images of a folder or zip. The model in floats and the
 * variant are asked in turns. For weights of TF.js, the card of the model shows the last comparison.
 * @param onImage called after each image
 * @throws AppError `variant_unavailable` when `int8` has not been made; `format_unavailable`, `tensorflow_missing`; as
 * `openImageSource`
 */
export async function compareVariant(
  parts: VariantParts,
  model: ModelVersion,
  variant: RoundedVariant,
  path: string,
  onImage: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<VariantComparison> {
  const { engines, maxImagePixels } = parts;
  const { labels, preprocessing } = model.manifest;
  const runtime = variant === 'int8' ? 'onnx' : 'tfjs';
  const files = await filesOf(parts, model, variant);
  const prefix = `comparison/${randomUUID()}`;
  const loaded = { float: engineModel('float', files.float), rounded: engineModel(variant, files.rounded) };
  const images = await openPreparedImages({ path, labels, preprocessing, maxImagePixels });
  try {
    const models = { float: computing(loaded.float), rounded: computing(loaded.rounded) };
    let done = 0;
    const answers = await compareAnswers(models, images.read(), () => onImage(++done, images.count));
    for await (const { pixels } of images.read()) {
      const speed = await compareSpeed(models, pixels, PAIRS, () => signal.throwIfAborted());
      const sizes = { sizeBytes: files.rounded.size, floatSizeBytes: files.float.size };
      const comparison = { variant, ...answers, speed, ...sizes };
      // The card of int8 shows how it compared on images that were not used for calibration.
      if (variant !== 'int8') await keepWeightsComparison(files.rounded.path, recordOf(comparison));
      return comparison;
    }
    throw new Error('no image can be read any more');
  } finally {
    await images.close();
    await engines.unload([loaded.float.key, loaded.rounded.key]);
  }

  function engineModel(name: string, { path: file }: ModelFile): EngineModel {
    return { key: `${prefix}/${name}`, runtime, path: file, threads: 1, engines: 1 };
  }

  function computing(asked: EngineModel): Compute {
    const { inputSize } = preprocessing;
    return async (data) => {
      signal.throwIfAborted();
      const engine = await engines.acquire(asked, 'bulk');
      try {
        const { probabilities } = await engine.run({ data, shape: [1, ...inputSize, 3] }, ['probabilities']);
        if (probabilities === undefined) throw new Error('the engine returned no probabilities');
        return probabilities.data;
      } finally {
        engine.release();
      }
    };
  }
}

function recordOf({ images, agreement, accuracy, speed, ...found }: VariantComparison): WeightsComparison {
  return {
    measured_at: new Date().toISOString(),
    size_bytes: found.sizeBytes,
    float_size_bytes: found.floatSizeBytes,
    images,
    agreement,
    max_probability_difference: found.largestDifference,
    accuracy: accuracy ?? null,
    speed: { float_ms: speed.floatMs, rounded_ms: speed.roundedMs, ratio: speed.ratio },
  };
}

async function filesOf(
  { conversions, quantized, tfjsQuantizer }: VariantParts,
  model: ModelVersion,
  variant: RoundedVariant,
): Promise<{ float: ModelFile; rounded: ModelFile }> {
  if (variant === 'int8') {
    const found = await quantized.find(model);
    if (found === undefined) throw variantUnavailable(model);
    const { onnx } = await conversions.verified(model);
    return { float: onnx, rounded: { path: found.path, size: found.record.size_bytes } };
  }
  const converted = await conversions.verified(model);
  const tfjs = requireFormat(model, converted, 'tfjs');
  const { files } = await tfjsQuantizer.get({ ...converted, tfjs }, variant);
  const sizes = await Promise.all(files.map(async (file) => (await stat(file.path)).size));
  return { float: tfjs, rounded: { path: files[0]?.path ?? '', size: sizes.reduce((sum, size) => sum + size, 0) } };
}
