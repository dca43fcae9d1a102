import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { removeAbandonedStaging } from '../common/staging-folder.ts';
import { asStorageError, messageWithoutPath } from '../common/storage-error.ts';
import { type Conversion, readConversion } from '../convert/conversion.ts';
import { conversionKey } from '../convert/conversion-key.ts';
import type { ConversionProgress, ConversionSource } from '../convert/convert-model.ts';
import type { LocalFiles, ModelVersion } from '../registry/registry.ts';
import { type ConversionTask, runConversion, runVerification } from './conversion-run.ts';

/** A converted model and the key of its conversion, which depends on everything that the conversion depends on. */
export interface ConvertedModel extends Conversion {
  readonly key: string;
}

/**
 * The files of a model in one format.
 * @throws AppError `format_unavailable` when the model has no such format
 */
export function requireFormat(
  { name }: Pick<ModelVersion, 'name'>,
  converted: Pick<Conversion, 'onnx' | 'tfjs'>,
  format: 'onnx' | 'tfjs',
): NonNullable<Conversion['tfjs']> {
  const found = converted[format];
  if (found !== undefined) return found;
  throw onnxOnly(name, format);
}

/** An imported ONNX model has no layer graph of ours, from which another format could be written. */
export function onnxOnly(name: string, format: string): AppError {
  return new AppError(
    'format_unavailable',
    `model "${name}" was imported as an ONNX file and is not available as ${format}; use onnx`,
    { context: { formats: ['onnx'] } },
  );
}

/**
 * Converted models on disk, one folder per key. A model is converted at the first request for it, and again when its
 * weights, architecture or preprocessing, or the converter, have changed. A folder that cannot be written (the disk
 * is full or read-only) is replaced by a temporary one for the life of the process.
 */
export class ConversionCache {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #onReady: (model: ModelVersion, converted: ConvertedModel) => void;
  readonly #pending = new Map<string, Promise<ConvertedModel>>();
  #temporary: Promise<string> | undefined;
  #problem: string | undefined;
  #closed = false;

  /** @param onReady called whenever `get` has a model */
  constructor(
    folder: string,
    logger: Logger,
    onReady: (model: ModelVersion, converted: ConvertedModel) => void = () => {},
  ) {
    this.#folder = folder;
    this.#logger = logger;
    this.#onReady = onReady;
  }

  /** What is wrong with the storage of conversions, for health checks. */
  get warnings(): string[] {
    return this.#problem === undefined ? [] : [`Converted models cannot be kept. ${this.#problem}`];
  }

  /**
   * The converted model. Concurrent calls share one conversion. The files of an earlier conversion are checked by
   * size only: engines verify the digests of what they load, and `verified` is for everyone else who reads the files.
   * @throws AppError `model_unavailable` with the reason, such as weights of another digest
   */
  async get(model: ModelVersion): Promise<ConvertedModel> {
    const converted = (await this.peek(model)) ?? (await this.verified(model));
    this.#onReady(model, converted);
    return converted;
  }

  /**
   * The converted model, after all its files were verified by digest. A damaged conversion is made again. Concurrent
   * calls share the work.
   * @throws AppError as `get`; `shutting_down`
   */
  async verified(model: ModelVersion): Promise<ConvertedModel> {
    this.#refuseWhenClosed();
    const key = this.key(model);
    const pending = this.#pending.get(key) ?? this.#verifyOrConvert(model, key);
    this.#pending.set(key, pending);
    try {
      return await pending;
    } catch (thrown) {
      if (thrown instanceof AppError) throw thrown;
      throw new AppError(
        'model_unavailable',
        `model "${model.name}" cannot be converted: ${messageWithoutPath(thrown)}`,
        {
          cause: thrown,
        },
      );
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Removes the unfinished conversions of processes that have ended. */
  async clear(): Promise<void> {
    try {
      await removeAbandonedStaging(this.#folder);
    } catch (thrown) {
      this.#logger.warn({ reason: messageOf(thrown) }, 'unfinished conversions cannot be removed');
    }
  }

  /** Removes a model's files, unless one of the models in `staying` shares them. The model must not be in use. */
  async remove(model: ModelVersion, staying: Iterable<ModelVersion>): Promise<void> {
    const key = this.key(model);
    for (const other of staying) if (this.key(other) === key) return;
    await this.#pending.get(key)?.catch(() => undefined);
    for (const folder of await this.#folders()) await rm(join(folder, key), { recursive: true, force: true });
  }

  /** The key of the model's conversion. */
  key(model: ModelVersion): string {
    const { weights, novelty } = model.manifest.file;
    return conversionKey({ ...networkOf(model), weightsSha256: weights.sha256, noveltySha256: novelty?.sha256 });
  }

  /** The model if it has been converted; converts nothing. */
  async peek(model: ModelVersion): Promise<ConvertedModel | undefined> {
    const key = this.key(model);
    const found = await this.#find(key);
    return found && { key, ...found.conversion };
  }

  /**
   * Begins no more conversions, and removes the temporary folder, if there is one.
   * @param graceMs milliseconds that conversions get which may write to that folder
   */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    const temporary = await this.#temporary?.catch(() => undefined);
    if (temporary === undefined) return;
    await Promise.race([Promise.allSettled(this.#pending.values()), delay(graceMs, undefined, { ref: false })]);
    try {
      await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
    } catch (thrown) {
      this.#logger.warn({ folder: temporary, reason: messageOf(thrown) }, 'a temporary folder cannot be removed');
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new AppError('shutting_down', 'the server is shutting down and converts no more models');
  }

  async #verifyOrConvert(model: ModelVersion, key: string): Promise<ConvertedModel> {
    const found = await this.#find(key);
    const folder = found?.folder ?? this.#folder;
    // A sound conversion needs no weights, which may have to be fetched.
    const sound = found && (await runVerification(join(folder, key)));
    if (sound !== undefined) return { key, ...sound };
    const files = await model.files();
    try {
      const conversion = await this.#convert(model, files, join(folder, key));
      if (found !== undefined) {
        this.#logger.warn({ model: model.name, folder }, 'a converted file was damaged: the model was converted again');
      }
      if (folder === this.#folder) this.#problem = undefined;
      return { key, ...conversion };
    } catch (thrown) {
      const problem = asStorageError(thrown);
      if (problem === undefined || folder !== this.#folder) throw thrown;
      const temporary = await this.#makeTemporary();
      const conversion = await this.#convert(model, files, join(temporary, key));
      this.#problem = problem.message;
      this.#logger.warn(
        { model: model.name, folder, temporary, reason: messageOf(thrown) },
        'a conversion cannot be kept: it is in a temporary folder until the server stops',
      );
      return { key, ...conversion };
    }
  }

  async #convert(model: ModelVersion, files: LocalFiles, outDir: string): Promise<Conversion> {
    const { weights, novelty } = model.manifest.file;
    const source = conversionSource(model, files);
    const start = performance.now();
    const task: ConversionTask = { source, sha256: weights.sha256, noveltySha256: novelty?.sha256, outDir };
    const { conversion, converted } = await runConversion(task, this.#progressLog(model.name));
    const ms = Math.round(performance.now() - start);
    if (converted) this.#logger.info({ model: model.name, ms }, 'converted');
    return conversion;
  }

  #makeTemporary(): Promise<string> {
    this.#refuseWhenClosed();
    this.#temporary ??= mkdtemp(join(tmpdir(), 'menagerie-converted-')).catch((thrown: unknown) => {
      this.#temporary = undefined;
      throw thrown;
    });
    return this.#temporary;
  }

  /** A conversion whose files have the right sizes, and the folder it is in. */
  async #find(key: string): Promise<{ folder: string; conversion: Conversion } | undefined> {
    for (const folder of await this.#folders()) {
      const conversion = await readConversion(join(folder, key));
      if (conversion !== undefined) return { folder, conversion };
    }
    return undefined;
  }

  /** The temporary folder comes first: it may have a sound copy of what is damaged on the disk. */
  async #folders(): Promise<string[]> {
    const temporary = await this.#temporary?.catch(() => undefined);
    return temporary === undefined ? [this.#folder] : [temporary, this.#folder];
  }

  /** Logs a line at each quarter. The two formats are written one after the other and take about the same time. */
  #progressLog(model: string): (progress: ConversionProgress) => void {
    let logged = 0;
    return ({ format, fraction }) => {
      const percent = 50 * (format === 'onnx' ? fraction : 1 + fraction);
      if (percent < logged + 25) return;
      logged = 25 * Math.floor(percent / 25);
      this.#logger.info({ model, percent: logged }, 'converting');
    };
  }
}

/** What the converter needs of a version, with its files on this machine. */
export function conversionSource(model: ModelVersion, files: LocalFiles): ConversionSource {
  return { ...networkOf(model), ...files };
}

function networkOf({ manifest: { file, preprocessing } }: ModelVersion) {
  return {
    architecture: file.architecture,
    inputSize: preprocessing.inputSize,
    mean: file.mean,
    std: file.std,
    numClasses: file.num_classes,
  };
}
