import { AppError } from '../common/errors.ts';
import { Mutex } from '../common/mutex.ts';
import type { ManifestDocument } from './manifest.ts';
import type { Manifest } from './resolve-manifest.ts';
import { meantBy, suggestionFor } from './short-name.ts';

/** Files of a version on this machine; read-only. */
export interface LocalFiles {
  /** The weights; their SHA-256 is that of the manifest. */
  readonly weightsPath: string;
  /** The detector of unknown images; absent when the model has none. */
  readonly noveltyPath?: string;
}

/** A version of a model that can be served. Models of the zoo have version 1 alone. */
export interface ModelVersion {
  readonly name: string;
  readonly version: number;
  readonly manifest: Manifest;
  /**
   * Finds the files of the version, and fetches those of a store elsewhere that are not here. Call it for each use:
   * files that nobody has asked for in a day and a half may be removed to make room.
   * @throws AppError `model_unavailable` with the file that is damaged, missing or cannot be fetched; `storage_full`
   */
  readonly files: () => Promise<LocalFiles>;
  /** How a request wants it computed, when not in floats. */
  readonly variant?: Exclude<Variant, 'float32'>;
}

/** Forms in which a model can be served: as it is, and in 8-bit integers where it was quantized. */
export const VARIANTS = ['float32', 'int8'] as const;
export type Variant = (typeof VARIANTS)[number];

/** A version as it is to be computed. */
export function inVariant({ variant: _, ...model }: ModelVersion, variant: Variant): ModelVersion {
  return variant === 'float32' ? model : { ...model, variant };
}

/** A model and its versions. */
export interface RegisteredModel {
  readonly name: string;
  /** Where it comes from: the zoo is read-only, the store has the models that were fine-tuned here. */
  readonly origin: 'zoo' | 'store';
  /** The versions that can be served, ascending. */
  readonly versions: readonly ModelVersion[];
  /** The version that each alias points to, there or not. */
  readonly aliases: Readonly<Record<string, number>>;
  /** Why other versions and aliases cannot be used, by number or name: files of theirs are damaged. */
  readonly damaged: Readonly<Record<string, string>>;
}

/** A model of the zoo whose weights have not been pulled. */
export interface AbsentModel {
  readonly name: string;
  readonly file: ManifestDocument;
}

/** The alias that a bare name stands for. Without this alias, a bare name stands for the newest version. */
export const SERVING_ALIAS = 'production';

/** The part of a reference behind `name@`: a version without leading zeros, or an alias. */
const TARGET = /^([1-9]\d{0,8}|[a-z][a-z0-9_-]*)$/;

/**
 * The models of this process, found by reference. A reference means one version, whatever the state of its files: when
 * they are damaged or missing, it is unavailable, and no other version answers in its place.
 */
export class Registry {
  /** Runs changes that read the disk first one after the other: the last to read is the last to write. */
  readonly changes = new Mutex();
  readonly #models = new Map<string, RegisteredModel>();
  readonly #absent = new Map<string, AbsentModel>();

  /** Adds or replaces a model. */
  set(model: RegisteredModel): void {
    this.#models.set(model.name, model);
    this.#absent.delete(model.name);
  }

  /** Adds a model that can only be pulled; it is no longer served if it was. */
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

  /** The models that can only be pulled, by name. */
  absent(): AbsentModel[] {
    return [...this.#absent.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): RegisteredModel | undefined {
    return this.#models.get(name);
  }

  /**
   * The full name that a name means: `resnet50` means the recommended weights of the zoo, `resnet50.tv_in1k`, unless a
   * model is called so. Any other name is returned as it is, known or not.
   */
  fullName(name: string): string {
    if (this.#models.has(name) || this.#absent.has(name)) return name;
    return meantBy(name, this.#documents()) ?? name;
  }

  /** The model of the zoo that a reference means, when its weights have not been pulled. */
  findAbsent(reference: string): AbsentModel | undefined {
    const [name = ''] = reference.split('@');
    return this.#absent.get(this.fullName(name));
  }

  /**
   * Finds a model by its name or short name.
   * @throws AppError `model_not_found` that names the nearest; `model_not_pulled` that says how to pull it, with the full
   * name as `model` in its context
   */
  get(name: string): RegisteredModel {
    const fullName = this.fullName(name);
    const model = this.#models.get(fullName);
    if (model !== undefined) return model;
    const absent = this.#absent.get(fullName);
    if (absent !== undefined) throw notPulled(absent);
    throw this.#notFound(name);
  }

  /**
   * Finds the version that a reference means: `name`, `name@version` or `name@alias`.
   * @throws AppError `model_not_found` when there is no such model, version or alias; `model_not_pulled`;
   * `model_unavailable` when the version or alias is damaged, or the alias points to a version that is gone
   */
  resolve(reference: string): ModelVersion {
    const [name = '', ...rest] = reference.split('@');
    const model = this.get(name);
    const wanted = rest.length === 0 ? servingTarget(model) : rest.join('@');
    if (!TARGET.test(wanted)) throw targetNotFound(model, wanted);
    const alias = /^\d/.test(wanted) ? undefined : wanted;
    const number = alias === undefined ? Number(wanted) : ownValue(model.aliases, alias);
    const found = model.versions.find(({ version }) => version === number);
    if (found !== undefined) return found;
    const damage = ownValue(model.damaged, wanted) ?? ownValue(model.damaged, String(number));
    if (damage !== undefined) throw unavailable(model, `${name}@${wanted} cannot be used: ${damage}`);
    if (number === undefined || alias === undefined) throw targetNotFound(model, wanted);
    throw unavailable(model, `${name}@${alias} points to version ${number}, which does not exist`);
  }

  /** The manifests of the zoo, as far as they can be read. */
  #documents(): ManifestDocument[] {
    const here = this.list().flatMap(({ origin, versions: [only] }) =>
      origin === 'zoo' && only !== undefined ? only.manifest.file : [],
    );
    return [...here, ...this.absent().map(({ file }) => file)];
  }

  #notFound(name: string): AppError {
    const here = this.list().map((each) => each.name);
    const known = [...here, ...this.absent().map((each) => each.name)];
    const hint = suggestionFor(name, known) ?? `there are ${here.join(', ')}`;
    return new AppError('model_not_found', `there is no model ${JSON.stringify(name)}; ${hint}`);
  }

  /** Finds a version that has classes. @throws AppError as `resolve`; `no_classifier` for a backbone */
  resolveClassifier(reference: string): ModelVersion {
    const model = this.resolve(reference);
    if (model.manifest.labels.length > 0) return model;
    throw new AppError(
      'no_classifier',
      `"${model.name}" is a backbone without classes: fine-tune it, or pull the whole model with ` +
        `"npx menagerie pull ${model.name}"`,
    );
  }
}

/** The version that the bare name of a model stands for; undefined when it cannot be used. */
export function servingVersion(model: RegisteredModel): ModelVersion | undefined {
  const target = servingTarget(model);
  const number = ownValue(model.aliases, target) ?? Number(target);
  return model.versions.find(({ version }) => version === number);
}

/** The alias or version that the bare name of a model stands for. */
export function servingTarget({ versions, aliases, damaged }: RegisteredModel): string {
  if (Object.hasOwn(aliases, SERVING_ALIAS) || Object.hasOwn(damaged, SERVING_ALIAS)) return SERVING_ALIAS;
  const numbers = [...versions.map(({ version }) => version), ...Object.keys(damaged).map(Number)];
  return String(Math.max(...numbers.filter(Number.isInteger)));
}

function ownValue<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function targetNotFound({ name, versions, aliases }: RegisteredModel, wanted: string): AppError {
  const known = [...versions.map(({ version }) => version), ...Object.keys(aliases)];
  return new AppError(
    'model_not_found',
    `model "${name}" has no ${JSON.stringify(wanted)}; it has ${known.join(', ')}`,
  );
}

/** @param reason names the reference that cannot be used */
function unavailable({ name, origin, versions }: RegisteredModel, reason: string): AppError {
  const others = versions.map(({ version }) => `${name}@${version}`);
  const help = origin === 'store' ? `; versions that can be used: ${others.join(', ') || 'none'}` : '';
  return new AppError('model_unavailable', reason + help);
}

function notPulled({ name, file }: AbsentModel): AppError {
  const { size_bytes: bytes } = file.weights;
  return new AppError(
    'model_not_pulled',
    `the weights of "${name}" have not been pulled: get them with "npx menagerie pull ${name}" ` +
      `(${Math.ceil(bytes / 1e6)} MB), or from a running server with POST /models/${name}/pull`,
    { context: { model: name, size_bytes: bytes } },
  );
}
