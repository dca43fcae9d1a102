import { createHash } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readCheckedJson, writeCheckedJson } from '../common/checked-json.ts';
import { makeFolder, syncToDisk } from '../common/durable-files.ts';
import { AppError } from '../common/errors.ts';
import { areIntact } from '../common/file-digest.ts';
import { removeAbandonedStaging, withStagingFolder } from '../common/staging-folder.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { ConversionCache, ConvertedModel } from '../serving/conversion-cache.ts';
import { type Quantization, quantizationSchema } from './quantization-record.ts';

/** Name of the file of a quantized model. */
export const MODEL_FILE = 'model.onnx';
const RECORD_FILE = 'quantization.json';
/** What `quantizationKey` gives: staging folders have other names. */
const KEY = /^[0-9a-f]{64}$/;

/** A model in 8-bit integers on disk. */
export interface QuantizedModel {
  readonly path: string;
  readonly record: Quantization;
}

/**
 * Models in 8-bit integers on disk, one folder per weights and preprocessing. They are no cache: the images that they
 * were calibrated on may be gone.
 */
export class QuantizedModels {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The quantized model; undefined when there is none, or a file of it is missing or has another size. */
  find(model: ModelVersion): Promise<QuantizedModel | undefined> {
    return this.findByKey(quantizationKey(model));
  }

  /** As `find`, by `quantizationKey`. */
  async findByKey(key: string): Promise<QuantizedModel | undefined> {
    const folder = join(this.#folder, key);
    const record = await readCheckedJson(join(folder, RECORD_FILE), quantizationSchema);
    if (record === undefined) return undefined;
    const path = join(folder, modelFile(record));
    const found = await stat(path).catch(() => undefined);
    return found?.size === record.size_bytes ? { path, record } : undefined;
  }

  /**
   * Makes a quantized model in a staging folder, and replaces the one before when it is complete. The record names the
   * file of its model, so a crash at any moment leaves either model whole.
   * @param make writes `model.onnx` to the folder and says what is known of it
   */
  put(model: ModelVersion, make: (folder: string) => Promise<Quantization>): Promise<Quantization> {
    return this.putByKey(quantizationKey(model), make);
  }

  /** As `put`, by `quantizationKey`. */
  async putByKey(key: string, make: (folder: string) => Promise<Quantization>): Promise<Quantization> {
    return await withStagingFolder(this.#folder, async (staging) => {
      const record = await make(staging);
      const made = join(staging, MODEL_FILE);
      await syncToDisk(made);
      const target = join(this.#folder, key);
      const [before, path] = [await this.findByKey(key), join(target, modelFile(record))];
      await makeFolder(dirname(path));
      await rename(made, path);
      await syncToDisk(dirname(path));
      await syncToDisk(target);
      await writeCheckedJson(join(target, RECORD_FILE), record);
      await syncToDisk(this.#folder);
      if (before !== undefined && before.path !== path) {
        await rm(dirname(before.path), { recursive: true, force: true });
      }
      return record;
    });
  }

  /** Removes a model's files, unless one of the models in `staying` shares them. The model must not be in use. */
  async remove(model: ModelVersion, staying: Iterable<ModelVersion>): Promise<void> {
    const key = quantizationKey(model);
    for (const other of staying) if (quantizationKey(other) === key) return;
    await this.removeByKey(key);
  }

  /** As `remove`, by `quantizationKey`, whoever shares it. */
  async removeByKey(key: string): Promise<void> {
    await rm(join(this.#folder, key), { recursive: true, force: true });
  }

  /** Keys of all quantized models. */
  async keys(): Promise<string[]> {
    return (await readdir(this.#folder).catch(() => [])).filter((name) => KEY.test(name));
  }

  /** Removes what processes that have ended were making. */
  async clear(): Promise<void> {
    await removeAbandonedStaging(this.#folder);
  }
}

/** A model has a folder named after its bytes, so another one does not overwrite it. An export keeps the file's name. */
function modelFile({ sha256 }: Quantization): string {
  return join(sha256, MODEL_FILE);
}

/** Names what a quantized model depends on: weights, architecture and preprocessing. */
export function quantizationKey({ manifest: { file, preprocessing } }: ModelVersion): string {
  const parts = [
    file.weights.sha256,
    file.novelty?.sha256 ?? null,
    file.architecture,
    preprocessing.inputSize,
    file.mean,
    file.std,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The files of models for the engines: those of the variant that a version asks for. */
export class VariantFiles {
  readonly #conversions: Pick<ConversionCache, 'get' | 'verified'>;
  readonly #quantized: Pick<QuantizedModels, 'find'>;

  constructor(conversions: Pick<ConversionCache, 'get' | 'verified'>, quantized: Pick<QuantizedModels, 'find'>) {
    this.#conversions = conversions;
    this.#quantized = quantized;
  }

  /** @throws AppError as `ConversionCache.get`; `variant_unavailable` */
  async get(model: ModelVersion): Promise<ConvertedModel> {
    if (model.variant === undefined) return await this.#conversions.get(model);
    return await this.#inBytes(model);
  }

  /** @throws AppError as `get`; `variant_unavailable` also when the file is damaged */
  async verified(model: ModelVersion): Promise<ConvertedModel> {
    if (model.variant === undefined) return await this.#conversions.verified(model);
    const found = await this.#inBytes(model);
    if (await areIntact(found.onnx.files)) return found;
    throw variantUnavailable(model, 'its file is damaged');
  }

  async #inBytes(model: ModelVersion): Promise<ConvertedModel> {
    const found = await this.#quantized.find(model);
    if (found === undefined) throw variantUnavailable(model);
    const { tfjs: _, ...converted } = await this.#conversions.get(model);
    const { path, record } = found;
    const { sha256, size_bytes: size } = record;
    return {
      ...converted,
      key: `${converted.key}-int8-${sha256}`,
      onnx: { path, files: [{ path, sha256 }], size, sha256 },
      explanation: { refused: 'the model in 8-bit integers cannot be explained; ask for float32' },
    };
  }
}

/** The error for a variant that is not there. It says how the variant is made. */
export function variantUnavailable({ name, version }: ModelVersion, why = 'it has not been made'): AppError {
  const reference = `${name}@${version}`;
  return new AppError(
    'variant_unavailable',
    `model "${reference}" has no variant int8: ${why}. POST /models/${reference}/quantize or "menagerie quantize ` +
      `${reference} --images photos.zip" makes it; without variant, the model answers in float32`,
    { context: { variants: ['float32'] } },
  );
}
