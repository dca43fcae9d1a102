import { AppError } from '../common/errors.ts';
import { Mutex } from '../common/mutex.ts';
import type { Manifest, ManifestDocument } from './manifest.ts';

/** One version of one model, as it lies on disk. Embedded and pulled models have version 1. */
export interface ModelVersion {
  readonly name: string;
  readonly version: number;
  readonly manifest: Manifest;
  /** The weights, whose SHA-256 is the manifest's. */
  readonly weightsPath: string;
}

/** Everything known of one model: its versions, oldest first, and which one each alias points at. */
export interface RegisteredModel {
  readonly name: string;
  readonly versions: readonly ModelVersion[];
  readonly aliases: Readonly<Record<string, number>>;
}

/** A model of the zoo whose weights are not here, but can be pulled. */
export interface AbsentModel {
  readonly name: string;
  readonly file: ManifestDocument;
}

/** The alias that a bare name stands for; without it a bare name is the newest version. */
export const SERVING_ALIAS = 'production';

/** The models of this process: found by `name`, `name@version` or `name@alias`. */
export class Registry {
  /** Changes that read the disk first go one after the other: the last to read is the last to write. */
  readonly changes = new Mutex();
  readonly #models = new Map<string, RegisteredModel>();
  readonly #absent = new Map<string, AbsentModel>();

  /** Adds a model or replaces what was known of it, at once. */
  set(model: RegisteredModel): void {
    this.#models.set(model.name, model);
    this.#absent.delete(model.name);
  }

  /** Knows of a model that cannot be served, since its weights are not here; it is served no more if it was. */
  setAbsent(model: AbsentModel): void {
    this.#absent.set(model.name, model);
    this.#models.delete(model.name);
  }

  delete(name: string): void {
    this.#models.delete(name);
    this.#absent.delete(name);
  }

  /** All models, by name. */
  list(): RegisteredModel[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The models whose weights are not here, by name. */
  absent(): AbsentModel[] {
    return [...this.#absent.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): RegisteredModel | undefined {
    return this.#models.get(name);
  }

  /** @throws AppError `model_not_found` that lists the names there are; `model_not_pulled` that says how to get it */
  get(name: string): RegisteredModel {
    const model = this.#models.get(name);
    if (model === undefined) {
      const absent = this.#absent.get(name);
      if (absent !== undefined) throw notPulled(absent);
      const names = this.list().map((known) => known.name);
      throw new AppError('model_not_found', `there is no model "${name}"; there are ${names.join(', ')}`);
    }
    return model;
  }

  /** @throws AppError `model_not_found` that says which names, versions and aliases there are; `model_not_pulled` */
  resolve(reference: string): ModelVersion {
    const [name = '', wanted = SERVING_ALIAS] = reference.split('@', 2);
    const { versions, aliases } = this.get(name);
    const number = /^\d+$/.test(wanted) ? Number(wanted) : aliases[wanted];
    const found = versions.find(({ version }) => version === number);
    if (found !== undefined) return found;
    const newest = versions.at(-1);
    if (!reference.includes('@') && newest !== undefined) return newest;
    const known = [...versions.map(({ version }) => version), ...Object.keys(aliases)];
    throw new AppError('model_not_found', `model "${name}" has no "${wanted}"; it has ${known.join(', ')}`);
  }

  /** As `resolve`, of a model that names classes. @throws AppError `no_classifier` of a backbone alone, and as `resolve` */
  resolveClassifier(reference: string): ModelVersion {
    const model = this.resolve(reference);
    if (model.manifest.labels.length > 0) return model;
    throw new AppError(
      'no_classifier',
      `of "${model.name}" only the backbone is here: fine-tune it, or get the rest by "npm run zoo -- pull ${model.name}"`,
    );
  }
}

function notPulled({ name, file }: AbsentModel): AppError {
  const megabytes = Math.ceil(file.weights.size_bytes / 1e6);
  return new AppError(
    'model_not_pulled',
    `the weights of "${name}" are not here: "npm run zoo -- pull ${name}" gets them (${megabytes} MB)`,
  );
}
