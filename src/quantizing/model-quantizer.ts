import { join } from 'node:path';
import { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { CalibrationMethod } from '../convert/quantize/ranges.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import { withNeededModels } from '../registry/needed-models.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import { withPatience } from '../registry/store-patience.ts';
import { type ConversionCache, conversionSource } from '../serving/conversion-cache.ts';
import { type QuantizationControl, runQuantization } from './quantization-process.ts';
import type { Quantization } from './quantization-record.ts';
import { MODEL_FILE, type QuantizedModels, quantizationKey } from './quantized-models.ts';
import type { SharedVariants } from './shared-variants.ts';

/** The method that lost the least on the embedded models and on EfficientNet-Lite0. */
export const DEFAULT_METHOD: CalibrationMethod = 'mse';

/** Dependencies of `ModelQuantizer`. */
export interface QuantizerParts {
  readonly registry: Registry;
  readonly repository: Pick<Repository, 'resolve'>;
  readonly store: Pick<ArtifactStore, 'get'>;
  readonly conversions: Pick<ConversionCache, 'verified'>;
  readonly quantized: Pick<QuantizedModels, 'put'>;
  /** Where other machines find variants. */
  readonly shared?: Pick<SharedVariants, 'put'> | undefined;
  /** Unloads the variant that was replaced. */
  readonly release: (model: ModelVersion) => Promise<void>;
  readonly maxImagePixels: number;
  readonly logger: Logger;
}

/** Makes models in 8-bit integers, which are served as a variant of the model in floats. */
export class ModelQuantizer {
  readonly #parts: QuantizerParts;

  constructor(parts: QuantizerParts) {
    this.#parts = parts;
  }

  /**
   * The version that would be quantized.
   * @throws AppError as `Registry.resolveClassifier`; `format_unavailable` for a model that was imported as ONNX
   */
  resolve(reference: string): ModelVersion {
    const model = this.#parts.registry.resolveClassifier(reference);
    if (model.manifest.file.weights.format !== 'onnx') return model;
    throw new AppError(
      'format_unavailable',
      `model "${model.name}" was imported as an ONNX file and cannot be quantized: its layers are not known; ` +
        'import its checkpoint, its Keras file or its TensorFlow.js files instead',
      { context: { formats: ['onnx'] } },
    );
  }

  /**
   * Quantizes a version and publishes the result, in place of the one before. It waits for a bucket that is away.
   * @param imagesPath a folder or zip: some images are for calibration, the others for the comparison with floats
   * @throws AppError as `resolve`; `model_not_found` also when the model is removed meanwhile; when the images cannot be
   * used; `training_lost`; `storage_unavailable` and `storage_full` when the result cannot be shared
   */
  async quantize(
    reference: string,
    imagesPath: string,
    method: CalibrationMethod,
    control: QuantizationControl,
  ): Promise<{ model: ModelVersion; record: Quantization }> {
    const { registry, repository, logger, release } = this.#parts;
    await withPatience({ logger, signal: control.signal }, () => repository.resolve(registry, reference));
    const model = this.resolve(reference);
    const { name, version } = model;
    const record = await withNeededModels(this.#parts, [{ name, version, role: 'model' }], () =>
      this.#make(model, imagesPath, method, control),
    );
    await release({ ...model, variant: 'int8' });
    const { agreement, speed } = record;
    logger.info({ model: name, version, agreement, ratio: speed.ratio }, 'quantized');
    return { model, record };
  }

  async #make(
    model: ModelVersion,
    imagesPath: string,
    method: CalibrationMethod,
    control: QuantizationControl,
  ): Promise<Quantization> {
    const { conversions, quantized, shared, maxImagePixels, logger } = this.#parts;
    const { preprocessing, labels } = model.manifest;
    const patience = { logger, signal: control.signal };
    const { onnx } = await withPatience(patience, () => conversions.verified(model));
    const source = conversionSource(model, await withPatience(patience, () => model.files()));
    return await quantized.put(model, async (folder) => {
      const float = { path: onnx.path, size: onnx.size };
      const task = { source, preprocessing, labels, imagesPath, maxImagePixels, method, float, folder };
      const made = await runQuantization(task, control, logger);
      await withPatience(patience, async () => shared?.put(quantizationKey(model), made, join(folder, MODEL_FILE)));
      return made;
    });
  }
}
