import { AppError } from '../common/errors.ts';

/** Names of models in a store. They have no dot; names with one, `arch.tag`, belong to the zoo. */
const STORED_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Aliases begin with a letter, so that `name@3` is always a version. */
const ALIAS = /^[a-z][a-z0-9_-]{0,31}$/;

/** A file of a version. */
interface StoredFile {
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A version and its files. It never changes. */
export interface StoredVersion {
  readonly name: string;
  readonly version: number;
  /** Identifies what made the version, such as the id of a job. */
  readonly key: string;
  /** ISO 8601 in UTC. */
  readonly createdAt: string;
  readonly files: readonly StoredFile[];
}

/** A model with at least one version, or with damage. */
export interface StoredModel {
  readonly name: string;
  /** Ascending. */
  readonly versions: readonly number[];
  readonly aliases: Readonly<Record<string, number>>;
  /** Why an alias cannot be read, by its name. Setting or removing it repairs it. */
  readonly damagedAliases: Readonly<Record<string, string>>;
  /** Why nothing else is known of the model. */
  readonly damage?: string;
}

/**
 * Chooses the alias that is to point to a new version, if one is.
 * @param before the model as it is just before: it may have no version yet
 */
export type ChooseAlias = (before: StoredModel) => string | undefined;

/**
 * Versions of models, each a flat set of files, and aliases that point to them. Several processes on several machines
 * may use one store at the same time. Every call takes effect completely or not at all, and what it has acknowledged
 * is permanent.
 */
export interface ArtifactStore {
  /**
   * Reserves the number of a version that is still being made. Numbers count up from 1 and are never used again, also
   * when the version is not put or is removed. The same key gets the same number.
   * @throws AppError `invalid_request` for a name that is not valid
   */
  reserveVersion(name: string, key: string): Promise<number>;
  /**
   * Copies the files of a local folder into a new version, under the number that was reserved for the key or the next
   * one. A key that has a version gets that version: a job that runs twice makes one.
   * @param chooseAlias called again when another process changes the model meanwhile. Version and alias appear together. A
   * job that runs twice moves the alias once: wherever somebody has pointed it since, it stays.
   * @throws AppError `invalid_request` for a name that is not valid; Error when the folder is empty or has anything
   * but plain files
   */
  putVersion(name: string, folder: string, key: string, chooseAlias?: ChooseAlias): Promise<number>;
  /** @throws AppError `model_not_found`, `version_not_found`; `model_unavailable` when its record is damaged */
  getVersion(name: string, version: number): Promise<StoredVersion>;
  /**
   * The path of a file on this machine, with the content that was put; read-only. A copy from elsewhere stays for a day
   * and a half.
   * @throws AppError as `getVersion`; `model_unavailable`, which names the file, when it is missing or has changed;
   * Error when the version never had the file
   */
  localFile(name: string, version: number, file: string): Promise<string>;
  /**
   * Checks a file as far as that is possible without copying it from elsewhere.
   * @throws as `localFile`
   */
  expectFile(name: string, version: number, file: string): Promise<void>;
  /** @throws AppError `model_not_found` */
  get(name: string): Promise<StoredModel>;
  /**
   * All models, by name.
   * @param revision what the store's `revision` has just given, where it has one: then its answer is used again, and a
   * change of another process may be missing that came after it
   */
  list(revision?: string): Promise<readonly StoredModel[]>;
  /**
   * @throws AppError `model_not_found`, `version_not_found`; `version_in_use` while an alias points to the version, or
   * might, because it is damaged
   */
  removeVersion(name: string, version: number): Promise<void>;
  /**
   * Points an alias to a version, wherever it pointed before: promotion as well as rollback.
   * @throws AppError `invalid_request` for an alias that is not valid; `model_not_found`, `version_not_found`
   */
  setAlias(name: string, alias: string, version: number): Promise<void>;
  /** Does nothing when there is no such alias. @throws AppError `model_not_found` */
  removeAlias(name: string, alias: string): Promise<void>;
}

/** Whether a model in a store can have this name. */
export function isStoredName(name: string): boolean {
  return STORED_NAME.test(name);
}

/** @throws AppError `invalid_request` that says what a valid name is */
export function checkStoredName(name: string): void {
  if (isStoredName(name)) return;
  throw new AppError(
    'invalid_request',
    `${JSON.stringify(name)} cannot be the name of a model: use up to 64 lower-case letters, digits, _ and -, ` +
      'beginning with a letter or digit; names with a dot belong to the zoo',
  );
}

/** Whether an alias in a store can have this name. */
export function isAlias(alias: string): boolean {
  return ALIAS.test(alias);
}

/** @throws AppError `invalid_request` that says what a valid alias is */
export function checkAlias(alias: string): void {
  if (isAlias(alias)) return;
  throw new AppError(
    'invalid_request',
    `${JSON.stringify(alias)} cannot be an alias: use up to 32 lower-case letters, digits, _ and -, ` +
      'beginning with a letter',
  );
}

/** The error for a model that is not in the store. */
export function modelNotFound(name: string): AppError {
  return new AppError('model_not_found', `there is no fine-tuned model ${JSON.stringify(name)}`);
}

/** The error for a version that the model does not have. */
export function versionNotFound({ name, versions }: StoredModel, version: number): AppError {
  return new AppError('version_not_found', `model "${name}" has no version ${version}; it has ${versions.join(', ')}`);
}

/** @throws AppError `version_in_use` when an alias points to the version, or might, because it is damaged */
export function expectUnused({ name, aliases, damagedAliases }: StoredModel, version: number): void {
  const pointing = Object.keys(aliases).filter((alias) => aliases[alias] === version);
  if (pointing.length > 0) {
    const references = pointing.map((alias) => `${name}@${alias}`).join(' and ');
    throw new AppError(
      'version_in_use',
      `version ${version} is ${references}: point the alias to another version first, or remove it`,
    );
  }
  const [damaged] = Object.keys(damagedAliases);
  if (damaged === undefined) return;
  throw new AppError(
    'version_in_use',
    `${name}@${damaged} is damaged and may point to version ${version}: set or remove this alias first`,
  );
}
