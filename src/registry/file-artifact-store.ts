import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseCheckedJson, writeCheckedJson } from '../common/checked-json.ts';
import { errnoOf, makeFolder, readIfThere, syncToDisk, writeFileDurably } from '../common/durable-files.ts';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { removeAbandonedStaging, withStagingFolder } from '../common/staging-folder.ts';
import { asStorageError, messageWithoutPath } from '../common/storage-error.ts';
import {
  type ArtifactStore,
  type ChooseAlias,
  checkAlias,
  checkStoredName,
  expectUnused,
  isAlias,
  isStoredName,
  modelNotFound,
  type StoredModel,
  type StoredVersion,
  versionNotFound,
} from './artifact-store.ts';
import { FileVerifier, readVersionRecord, type VersionRecord, writeVersionFolder } from './version-folder.ts';

/** Versions that are being written or removed. */
const STAGING = '.staging';
/** A file for each number that was ever given out. It holds the key that the number is reserved for. */
const NUMBERS = '.numbers';
/** A file for each alias: `checkedJson` of the number of its version. Earlier releases wrote the number alone. */
const ALIASES = '.aliases';
/** In the folder of a version until the alias points to it that was chosen for it; holds that alias. */
const CHOSEN_ALIAS = '.alias';
const NUMBER = /^[1-9]\d{0,8}$/;

/**
 * A store in a folder: `<name>/<version>/` holds the files and `version.json`. A version is written elsewhere and
 * renamed into place, so every version is complete. Processes of one machine may share the folder.
 */
export class FileArtifactStore implements ArtifactStore {
  readonly #folder: string;
  readonly #logger: Logger;
  /** Keeps an alias from being set while its version is removed, and a key from being put twice. */
  readonly #mutex = new Mutex();
  readonly #verifier = new FileVerifier();

  private constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
  }

  /** Removes what processes have left that died. On a disk that cannot be written, the store can still be read. */
  static async open(folder: string, logger: Logger): Promise<FileArtifactStore> {
    try {
      await removeAbandonedStaging(join(folder, STAGING));
    } catch (thrown) {
      if (asStorageError(thrown) === undefined) throw thrown;
      logger.warn({ reason: messageOf(thrown) }, 'unfinished versions cannot be removed');
    }
    return new FileArtifactStore(folder, logger);
  }

  reserveVersion(name: string, key: string): Promise<number> {
    return this.#mutex.run(async () => {
      checkStoredName(name);
      return (await this.#findKey(name, key)) ?? (await this.#reserve(name, key));
    });
  }

  async putVersion(name: string, folder: string, key: string, chooseAlias?: ChooseAlias): Promise<number> {
    checkStoredName(name);
    const before = await this.#findKey(name, key);
    if (before !== undefined) return await this.#mutex.run(() => this.#pointChosenAlias(name, before));
    return await withStagingFolder(join(this.#folder, STAGING), async (staging) => {
      const made = join(staging, 'version');
      await mkdir(made);
      await writeVersionFolder(folder, made, key);
      return await this.#mutex.run(async () => {
        const version = (await this.#findKey(name, key)) ?? (await this.#publish(name, made, key, chooseAlias));
        return await this.#pointChosenAlias(name, version);
      });
    });
  }

  async #publish(name: string, made: string, key: string, chooseAlias?: ChooseAlias): Promise<number> {
    const version = await this.#reserve(name, key);
    const before = { name, versions: await this.#versions(name), ...(await this.#aliases(name)) };
    const alias = chooseAlias?.(before);
    if (alias !== undefined) {
      checkAlias(alias);
      await writeFileDurably(join(made, CHOSEN_ALIAS), alias);
    }
    await rename(made, this.#path(name, version));
    await syncToDisk(this.#path(name));
    await syncToDisk(this.#folder);
    return version;
  }

  /**
   * Points the alias that was chosen for a version to it, unless that was done. The version is there all the same when this
   * fails; the next put with its key tries again.
   * @returns the version
   */
  async #pointChosenAlias(name: string, version: number): Promise<number> {
    try {
      const alias = await readIfThere(this.#path(name, version, CHOSEN_ALIAS));
      if (alias === undefined || !isAlias(alias)) return version;
      await this.#writeAlias(name, alias, version);
      await this.#forgetChosen(name, alias);
    } catch (thrown) {
      this.#logger.error({ model: name, version, reason: messageOf(thrown) }, 'no alias points to a new version');
    }
    return version;
  }

  async #writeAlias(name: string, alias: string, version: number): Promise<void> {
    await makeFolder(this.#path(name, ALIASES));
    await writeCheckedJson(this.#path(name, ALIASES, alias), version);
    await syncToDisk(this.#path(name));
  }

  /** Once an alias is set or removed, it is not pointed any more to versions for which it was chosen before. */
  async #forgetChosen(name: string, alias: string): Promise<void> {
    for (const version of await this.#versions(name)) {
      const path = this.#path(name, version, CHOSEN_ALIAS);
      if ((await readIfThere(path)) !== alias) continue;
      await rm(path, { force: true });
      await syncToDisk(this.#path(name, version));
    }
  }

  /** The number that is reserved for a key, else the next one: of two processes only one can make its file. */
  async #reserve(name: string, key: string): Promise<number> {
    const numbers = this.#path(name, NUMBERS);
    await makeFolder(numbers);
    const versions = await this.#versions(name);
    const given = numbersAmong(await readdir(numbers));
    for (const number of given) {
      if (versions.includes(number)) continue;
      if ((await readIfThere(join(numbers, String(number)))) === key) return number;
    }
    for (let number = Math.max(0, ...given, ...versions) + 1; ; number += 1) {
      try {
        await writeFile(join(numbers, String(number)), key, { flag: 'wx', flush: true });
        await syncToDisk(numbers);
        return number;
      } catch (thrown) {
        if (errnoOf(thrown) !== 'EEXIST') throw thrown;
      }
    }
  }

  async #findKey(name: string, key: string): Promise<number | undefined> {
    for (const version of await this.#versions(name)) {
      try {
        if ((await this.#record(name, version)).key === key) return version;
      } catch {
        // The key of a damaged version is lost. Reading the version reports the damage.
      }
    }
    return undefined;
  }

  async getVersion(name: string, version: number): Promise<StoredVersion> {
    await this.#find(name, version);
    const record = await this.#record(name, version);
    const files = record.files.map(({ file, size_bytes, sha256 }) => ({ file, sizeBytes: size_bytes, sha256 }));
    return { name, version, key: record.key, createdAt: record.created_at, files };
  }

  async localFile(name: string, version: number, file: string): Promise<string> {
    await this.#find(name, version);
    const record = (await this.#record(name, version)).files.find((known) => known.file === file);
    if (record === undefined) throw new Error(`version ${version} of model "${name}" never had a file ${file}`);
    const path = this.#path(name, version, file);
    try {
      await this.#verifier.verify(path, record);
    } catch (thrown) {
      throw damaged(`${name}/${version}/${file}`, thrown);
    }
    return path;
  }

  async expectFile(name: string, version: number, file: string): Promise<void> {
    await this.localFile(name, version, file);
  }

  async get(name: string): Promise<StoredModel> {
    const versions = await this.#versions(name);
    if (versions.length === 0) throw modelNotFound(name);
    return { name, versions, ...(await this.#aliases(name)) };
  }

  async list(): Promise<readonly StoredModel[]> {
    const models: StoredModel[] = [];
    for (const name of (await namesIn(this.#folder)).filter(isStoredName).sort()) {
      const versions = await this.#versions(name);
      if (versions.length > 0) models.push({ name, versions, ...(await this.#aliases(name)) });
    }
    return models;
  }

  removeVersion(name: string, version: number): Promise<void> {
    return this.#mutex.run(async () => {
      expectUnused(await this.#find(name, version), version);
      await withStagingFolder(join(this.#folder, STAGING), async (staging) => {
        // From now on the number belongs to no key: a job that runs again gets a new one.
        await makeFolder(this.#path(name, NUMBERS));
        await writeFileDurably(this.#path(name, NUMBERS, version), '');
        await rename(this.#path(name, version), join(staging, 'removed'));
        await syncToDisk(this.#path(name));
      });
    });
  }

  setAlias(name: string, alias: string, version: number): Promise<void> {
    return this.#mutex.run(async () => {
      checkAlias(alias);
      await this.#find(name, version);
      await this.#forgetChosen(name, alias);
      await this.#writeAlias(name, alias, version);
    });
  }

  removeAlias(name: string, alias: string): Promise<void> {
    return this.#mutex.run(async () => {
      const { aliases, damagedAliases } = await this.get(name);
      await this.#forgetChosen(name, alias);
      if (!Object.hasOwn(aliases, alias) && !Object.hasOwn(damagedAliases, alias)) return;
      await rm(this.#path(name, ALIASES, alias), { force: true });
      await syncToDisk(this.#path(name, ALIASES));
    });
  }

  /** The model, which has this version. */
  async #find(name: string, version: number): Promise<StoredModel> {
    const model = await this.get(name);
    if (!model.versions.includes(version)) throw versionNotFound(model, version);
    return model;
  }

  /** Ascending; none when there is no such model. */
  async #versions(name: string): Promise<readonly number[]> {
    return isStoredName(name) ? numbersAmong(await namesIn(this.#path(name))) : [];
  }

  async #aliases(name: string): Promise<Pick<StoredModel, 'aliases' | 'damagedAliases'>> {
    const aliases: [string, number][] = [];
    const damagedAliases: [string, string][] = [];
    for (const alias of (await namesIn(this.#path(name, ALIASES))).filter(isAlias).sort()) {
      const damage = (reason: string) => damagedAliases.push([alias, `${name}/${ALIASES}/${alias} ${reason}`]);
      try {
        const text = await readFile(this.#path(name, ALIASES, alias), 'utf8');
        aliases.push([alias, NUMBER.test(text) ? Number(text) : parseCheckedJson(text, z.int().positive())]);
      } catch (thrown) {
        const errno = errnoOf(thrown);
        if (errno === undefined) damage(`is damaged: ${messageOf(thrown)}`);
        else if (errno !== 'ENOENT') damage(`cannot be read: ${messageWithoutPath(thrown)}`);
      }
    }
    return { aliases: Object.fromEntries(aliases), damagedAliases: Object.fromEntries(damagedAliases) };
  }

  async #record(name: string, version: number): Promise<VersionRecord> {
    try {
      return await readVersionRecord(this.#path(name, version));
    } catch (thrown) {
      throw damaged(`${name}/${version}/version.json`, thrown);
    }
  }

  #path(name: string, ...rest: (string | number)[]): string {
    return join(this.#folder, name, ...rest.map(String));
  }
}

function damaged(what: string, thrown: unknown): AppError {
  if (errnoOf(thrown) === 'ENOENT') return new AppError('model_unavailable', `${what} is missing`, { cause: thrown });
  return new AppError('model_unavailable', `${what} is damaged: ${messageWithoutPath(thrown)}`, { cause: thrown });
}

/** Ascending. */
function numbersAmong(names: readonly string[]): number[] {
  return names
    .filter((name) => NUMBER.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Names in a folder; none when it does not exist. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || errnoOf(thrown) === 'ENOTDIR') return [];
    throw thrown;
  }
}
