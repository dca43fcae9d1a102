import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, syncToDisk, writeFileDurably } from '../common/durable-files.ts';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { isRunning, processStamp } from '../common/process-stamp.ts';
import {
  type ArtifactStore,
  aliasesOf,
  checkAlias,
  checkStoredName,
  isAlias,
  isStoredName,
  modelNotFound,
  type StoredModel,
  type StoredVersion,
  versionInUse,
  versionNotFound,
} from './artifact-store.ts';
import { FileVerifier, readVersionRecord, type VersionRecord, writeVersionFolder } from './version-folder.ts';

/** What is being written or removed: `<process stamp>_<chance>`. */
const STAGING = '.staging';
/** An empty file for each number that was ever given out. */
const NUMBERS = '.numbers';
/** A file for each alias, which holds the number it points at. */
const ALIASES = '.aliases';
const NUMBER = /^[1-9]\d{0,8}$/;

/**
 * A store in a folder: `<name>/<version>/` holds the files and `version.json`. A version is written elsewhere and
 * renamed into place, so whatever has a number is whole. Processes of one machine may share the folder.
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

  /** Makes the folder if there is none, and clears away what processes left that died. */
  static async open(folder: string, logger: Logger): Promise<FileArtifactStore> {
    const staging = join(folder, STAGING);
    await mkdir(staging, { recursive: true });
    for (const name of await readdir(staging)) {
      const [stamp = ''] = name.split('_');
      if (!isRunning(stamp)) await rm(join(staging, name), { recursive: true, force: true });
    }
    return new FileArtifactStore(folder, logger);
  }

  async putVersion(name: string, folder: string, key: string): Promise<number> {
    checkStoredName(name);
    const before = await this.#findKey(name, key);
    if (before !== undefined) return before;
    const staged = this.#stagingPath();
    await mkdir(staged);
    try {
      await writeVersionFolder(folder, staged, key);
      return await this.#mutex.run(async () => (await this.#findKey(name, key)) ?? this.#publish(name, staged));
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  }

  async #publish(name: string, staged: string): Promise<number> {
    const version = await this.#takeNumber(name);
    await rename(staged, this.#path(name, version));
    await syncToDisk(this.#path(name));
    await syncToDisk(this.#folder);
    return version;
  }

  /** The next number, for this caller alone: of two processes only one can make the file. */
  async #takeNumber(name: string): Promise<number> {
    const numbers = this.#path(name, NUMBERS);
    await mkdir(numbers, { recursive: true });
    const used = [...(await readdir(numbers)), ...(await readdir(this.#path(name)))].filter((n) => NUMBER.test(n));
    for (let number = Math.max(0, ...used.map(Number)) + 1; ; number += 1) {
      try {
        await writeFile(join(numbers, String(number)), '', { flag: 'wx' });
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
        // A damaged version has no key any more; whoever reads it is told.
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
      throw new AppError('model_unavailable', `${name}/${version}/${file} is damaged: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
    return path;
  }

  async get(name: string): Promise<StoredModel> {
    const versions = await this.#versions(name);
    if (versions.length === 0) throw modelNotFound(name);
    return { name, versions, aliases: await this.#aliases(name) };
  }

  async list(): Promise<readonly StoredModel[]> {
    const models: StoredModel[] = [];
    for (const name of (await readdir(this.#folder)).filter(isStoredName).sort()) {
      const versions = await this.#versions(name);
      if (versions.length > 0) models.push({ name, versions, aliases: await this.#aliases(name) });
    }
    return models;
  }

  removeVersion(name: string, version: number): Promise<void> {
    return this.#mutex.run(async () => {
      const aliases = aliasesOf(await this.#find(name, version), version);
      if (aliases.length > 0) throw versionInUse(name, version, aliases);
      const removed = this.#stagingPath();
      await rename(this.#path(name, version), removed);
      await syncToDisk(this.#path(name));
      await rm(removed, { recursive: true, force: true });
    });
  }

  setAlias(name: string, alias: string, version: number): Promise<void> {
    return this.#mutex.run(async () => {
      checkAlias(alias);
      await this.#find(name, version);
      await mkdir(this.#path(name, ALIASES), { recursive: true });
      await writeFileDurably(this.#path(name, ALIASES, alias), String(version));
      await syncToDisk(this.#path(name));
    });
  }

  removeAlias(name: string, alias: string): Promise<void> {
    return this.#mutex.run(async () => {
      const { aliases } = await this.get(name);
      if (!Object.hasOwn(aliases, alias)) return;
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
    if (!isStoredName(name)) return [];
    const names = await namesIn(this.#path(name));
    return names
      .filter((entry) => NUMBER.test(entry))
      .map(Number)
      .sort((a, b) => a - b);
  }

  async #aliases(name: string): Promise<Readonly<Record<string, number>>> {
    const found: [string, number][] = [];
    for (const alias of (await namesIn(this.#path(name, ALIASES))).filter(isAlias).sort()) {
      const path = this.#path(name, ALIASES, alias);
      const text = await readFile(path, 'utf8').catch(() => '');
      if (NUMBER.test(text)) found.push([alias, Number(text)]);
      else this.#logger.warn({ path }, 'an alias cannot be read and is left out');
    }
    return Object.fromEntries(found);
  }

  async #record(name: string, version: number): Promise<VersionRecord> {
    try {
      return await readVersionRecord(this.#path(name, version));
    } catch (thrown) {
      throw new AppError('model_unavailable', `${name}/${version} is damaged: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  #stagingPath(): string {
    return join(this.#folder, STAGING, `${processStamp()}_${randomUUID()}`);
  }

  #path(name: string, ...rest: (string | number)[]): string {
    return join(this.#folder, name, ...rest.map(String));
  }
}

/** Names in a folder; none when it is not there. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || errnoOf(thrown) === 'ENOTDIR') return [];
    throw thrown;
  }
}
