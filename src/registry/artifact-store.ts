import { AppError } from '../common/errors.ts';

/** Names of models in a store. Without a dot: names with one, `arch.tag`, belong to the seed of the zoo. */
const STORED_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Aliases begin with a letter, so that `name@3` is always a version. */
const ALIAS = /^[a-z][a-z0-9_-]{0,31}$/;

/** A file of a version, as it was put. */
interface StoredFile {
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A version and its files. It never changes. */
export interface StoredVersion {
  readonly name: string;
  readonly version: number;
  /** What the version was put for, such as a job's id. */
  readonly key: string;
  /** ISO 8601 in UTC. */
  readonly createdAt: string;
  readonly files: readonly StoredFile[];
}

/** A model that has at least one version. */
export interface StoredModel {
  readonly name: string;
  /** Ascending. */
  readonly versions: readonly number[];
  readonly aliases: Readonly<Record<string, number>>;
}

/**
 * Versions of models, each a flat set of files, and aliases that point at them. Several processes, on several machines,
 * may use one store at a time; each call happens wholly or not at all, and what it has acknowledged stays.
 */
export interface ArtifactStore {
  /**
   * Makes the files of a local folder, which stays as it is, the next version. Numbers count up from 1 and are never
   * used again. A key that was put before gets the version that it got then: a job that is done twice makes one version.
   * @throws AppError `invalid_request` when the name is not one; Error when the folder holds anything but plain files
   */
  putVersion(name: string, folder: string, key: string): Promise<number>;
  /** @throws AppError `model_not_found`, `version_not_found`; `model_unavailable` when its record is damaged */
  getVersion(name: string, version: number): Promise<StoredVersion>;
  /**
   * A path on this machine of a file whose content is what was put; only to be read.
   * @throws as `getVersion`; AppError `model_unavailable`, which names the file, when it is lost or has changed; Error
   * when the version never had such a file
   */
  localFile(name: string, version: number, file: string): Promise<string>;
  /** @throws AppError `model_not_found` */
  get(name: string): Promise<StoredModel>;
  /** All models, by name. */
  list(): Promise<readonly StoredModel[]>;
  /** @throws AppError `model_not_found`, `version_not_found`; `version_in_use` while an alias points at it */
  removeVersion(name: string, version: number): Promise<void>;
  /**
   * Points the alias at the version, whatever it pointed at before: promotion as well as rollback.
   * @throws AppError `invalid_request` when the alias is not one; `model_not_found`, `version_not_found`
   */
  setAlias(name: string, alias: string, version: number): Promise<void>;
  /** Does nothing where there is no such alias. @throws AppError `model_not_found` */
  removeAlias(name: string, alias: string): Promise<void>;
}

/** Whether a text is a name that a store may hold. */
export function isStoredName(name: string): boolean {
  return STORED_NAME.test(name);
}

/** @throws AppError `invalid_request` that says what a name looks like */
export function checkStoredName(name: string): void {
  if (isStoredName(name)) return;
  throw new AppError(
    'invalid_request',
    `${JSON.stringify(name)} cannot be the name of a model: it takes up to 64 lower-case letters, digits, _ and -, ` +
      'the first a letter or digit; names with a dot belong to the zoo',
  );
}

/** Whether a text is an alias that a store may hold. */
export function isAlias(alias: string): boolean {
  return ALIAS.test(alias);
}

/** @throws AppError `invalid_request` that says what an alias looks like */
export function checkAlias(alias: string): void {
  if (isAlias(alias)) return;
  throw new AppError(
    'invalid_request',
    `${JSON.stringify(alias)} cannot be an alias: it takes up to 32 lower-case letters, digits, _ and -, ` +
      'the first a letter',
  );
}

/** The answer to a name that the store does not hold. */
export function modelNotFound(name: string): AppError {
  return new AppError('model_not_found', `there is no model ${JSON.stringify(name)} in the store`);
}

/** The answer to a version that the model does not have. */
export function versionNotFound({ name, versions }: StoredModel, version: number): AppError {
  return new AppError('version_not_found', `model "${name}" has no version ${version}; it has ${versions.join(', ')}`);
}

/** The answer to removing a version under an alias. */
export function versionInUse(name: string, version: number, aliases: readonly string[]): AppError {
  return new AppError(
    'version_in_use',
    `version ${version} of model "${name}" is ${aliases.join(', ')}: point the alias at another version first`,
  );
}

/** The aliases that point at a version. */
export function aliasesOf({ aliases }: StoredModel, version: number): string[] {
  return Object.keys(aliases).filter((alias) => aliases[alias] === version);
}
