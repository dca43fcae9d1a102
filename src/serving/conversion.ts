import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled.ts';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import {
  type Conversion,
  type ConversionProgress,
  type ConversionSource,
  conversionKey,
  readConversion,
  removeAbandonedConversions,
} from '../convert/convert.ts';
import type { ModelVersion } from '../registry/registry.ts';

/** What the worker is told. */
export interface ConversionTask {
  readonly source: ConversionSource;
  /** What the weights' SHA-256 must be. */
  readonly sha256: string;
  readonly outDir: string;
}

/** What the worker tells. */
export type ConversionMessage =
  | { readonly type: 'progress'; readonly progress: ConversionProgress }
  | { readonly type: 'done'; readonly conversion: Conversion };

/** A model in its formats, under a key that is another one when anything of it is. */
export interface ConvertedModel extends Conversion {
  readonly key: string;
}

/**
 * The files of a model in one format.
 * @throws AppError `format_unavailable` when it does not come in it
 */
export function requireFormat(
  { name }: Pick<ModelVersion, 'name'>,
  converted: Pick<Conversion, 'onnx' | 'tfjs'>,
  format: 'onnx' | 'tfjs',
): NonNullable<Conversion['tfjs']> {
  const found = converted[format];
  if (found !== undefined) return found;
  throw madeElsewhere(name, format);
}

/** The layers of a model that came as ONNX are not known one by one, so that they cannot be written otherwise. */
export function madeElsewhere(name: string, format: string): AppError {
  return new AppError(
    'format_unavailable',
    `the network of model "${name}" was made elsewhere and came as ONNX: there is no ${format} of it; ask for onnx`,
    { context: { formats: ['onnx'] } },
  );
}

/**
 * Converted models in a folder of their own, by digest: made when they are first asked for, and again when weights,
 * architecture, preprocessing or the converter itself have changed.
 */
export class ConversionCache {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #onReady: (model: ModelVersion, converted: ConvertedModel) => void;
  readonly #pending = new Map<string, Promise<ConvertedModel>>();

  /** @param onReady told of each model that is asked for, when it is there */
  constructor(
    folder: string,
    logger: Logger,
    onReady: (model: ModelVersion, converted: ConvertedModel) => void = () => {},
  ) {
    this.#folder = folder;
    this.#logger = logger;
    this.#onReady = onReady;
  }

  /**
   * The model, converted. Those who ask for one at the same time share its conversion.
   * @throws AppError `model_unavailable` with the reason, such as weights of another digest
   */
  async get(model: ModelVersion): Promise<ConvertedModel> {
    const source = sourceOf(model);
    const key = await keyOf(model, source);
    const pending = this.#pending.get(key) ?? this.#convert(model, source, key);
    this.#pending.set(key, pending);
    try {
      const converted = await pending;
      this.#onReady(model, converted);
      return converted;
    } catch (thrown) {
      throw new AppError('model_unavailable', `model "${model.name}" cannot be converted: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Clears away what processes left that died while they converted. */
  clear(): Promise<void> {
    return removeAbandonedConversions(this.#folder);
  }

  /** Removes a model's files, unless one of those that stay is made of the same. Nobody may serve the model any more. */
  async remove(model: ModelVersion, staying: Iterable<ModelVersion>): Promise<void> {
    const key = await keyOf(model, sourceOf(model));
    for (const other of staying) if ((await keyOf(other, sourceOf(other))) === key) return;
    await this.#pending.get(key)?.catch(() => undefined);
    await rm(join(this.#folder, key), { recursive: true, force: true });
  }

  /** What the model's conversion is kept under. */
  key(model: ModelVersion): Promise<string> {
    return keyOf(model, sourceOf(model));
  }

  /** The model if it has been converted, without converting it. */
  async peek(model: ModelVersion): Promise<ConvertedModel | undefined> {
    const key = await keyOf(model, sourceOf(model));
    const cached = await readConversion(join(this.#folder, key));
    return cached && { key, ...cached };
  }

  async #convert(model: ModelVersion, source: ConversionSource, key: string): Promise<ConvertedModel> {
    const outDir = join(this.#folder, key);
    const cached = await readConversion(outDir);
    if (cached !== undefined) return { key, ...cached };
    const task: ConversionTask = { source, sha256: model.manifest.file.weights.sha256, outDir };
    const start = performance.now();
    const onProgress = this.#logProgress(model.name);
    const conversion = await new Promise<Conversion>((resolve, reject) => {
      const worker = new Worker(compiledEntry(import.meta.url, 'conversion-worker.js'), { workerData: task });
      worker.on('message', (message: ConversionMessage) => {
        if (message.type === 'done') resolve(message.conversion);
        else onProgress(message.progress);
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`the converter ended with code ${code}`)));
    });
    this.#logger.info({ model: model.name, ms: Math.round(performance.now() - start) }, 'converted');
    return { key, ...conversion };
  }

  /** A line at every quarter of the way: the formats are written one after the other, and take about as long. */
  #logProgress(model: string): (progress: ConversionProgress) => void {
    let told = 0;
    return ({ format, fraction }) => {
      const percent = 50 * (format === 'onnx' ? fraction : 1 + fraction);
      if (percent < told + 25) return;
      told = 25 * Math.floor(percent / 25);
      this.#logger.info({ model, percent: told }, 'converting');
    };
  }
}

function sourceOf({ weightsPath, manifest: { file, preprocessing } }: ModelVersion): ConversionSource {
  return {
    weightsPath,
    architecture: file.architecture,
    inputSize: preprocessing.inputSize,
    mean: file.mean,
    std: file.std,
    numClasses: file.num_classes,
  };
}

function keyOf({ manifest }: ModelVersion, source: ConversionSource): Promise<string> {
  return conversionKey({ ...source, weightsSha256: manifest.file.weights.sha256 });
}
