import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ArtifactStore,
  type ChooseAlias,
  checkAlias,
  checkStoredName,
  expectUnused,
  modelNotFound,
  type StoredModel,
  type StoredVersion,
  versionNotFound,
} from '../../src/registry/artifact-store.ts';

interface KeptVersion {
  readonly key: string;
  readonly createdAt: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

interface KeptModel {
  /** Version n at n - 1; a key where the number is only reserved, undefined where the version was removed. */
  readonly versions: (KeptVersion | string | undefined)[];
  readonly aliases: Map<string, number>;
}

/** A store in memory, for tests of what uses a store. It gives files as temporary copies. */
export class MemoryArtifactStore implements ArtifactStore {
  readonly #models = new Map<string, KeptModel>();
  readonly #copies: string[] = [];

  async reserveVersion(name: string, key: string): Promise<number> {
    checkStoredName(name);
    const model: KeptModel = this.#models.get(name) ?? { versions: [], aliases: new Map() };
    this.#models.set(name, model);
    const before = model.versions.findIndex((each) => (typeof each === 'object' ? each.key : each) === key);
    return before >= 0 ? before + 1 : model.versions.push(key);
  }

  async putVersion(name: string, folder: string, key: string, chooseAlias?: ChooseAlias): Promise<number> {
    checkStoredName(name);
    const files = new Map<string, Buffer>();
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isFile()) throw new Error(`${entry.name} is not a plain file`);
      files.set(entry.name, await readFile(join(folder, entry.name)));
    }
    if (files.size === 0) throw new Error(`${folder} is empty`);
    const version = await this.reserveVersion(name, key);
    const model = this.#models.get(name);
    if (model !== undefined && typeof model.versions[version - 1] === 'string') {
      const alias = chooseAlias?.(stored(name, model));
      if (alias !== undefined) {
        checkAlias(alias);
        model.aliases.set(alias, version);
      }
      model.versions[version - 1] = { key, createdAt: new Date().toISOString(), files };
    }
    return version;
  }

  async getVersion(name: string, version: number): Promise<StoredVersion> {
    const { key, createdAt, files } = this.#version(name, version);
    return {
      name,
      version,
      key,
      createdAt,
      files: [...files].map(([file, bytes]) => ({
        file,
        sizeBytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })),
    };
  }

  async localFile(name: string, version: number, file: string): Promise<string> {
    const bytes = this.#bytes(name, version, file);
    const folder = await mkdtemp(join(tmpdir(), 'artifact-'));
    this.#copies.push(folder);
    await writeFile(join(folder, file), bytes);
    return join(folder, file);
  }

  async expectFile(name: string, version: number, file: string): Promise<void> {
    this.#bytes(name, version, file);
  }

  async get(name: string): Promise<StoredModel> {
    return stored(name, this.#model(name));
  }

  async list(): Promise<readonly StoredModel[]> {
    return [...this.#models]
      .map(([name, model]) => stored(name, model))
      .filter(({ versions }) => versions.length > 0)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeVersion(name: string, version: number): Promise<void> {
    this.#version(name, version);
    const model = this.#model(name);
    expectUnused(stored(name, model), version);
    model.versions[version - 1] = undefined;
  }

  async setAlias(name: string, alias: string, version: number): Promise<void> {
    checkAlias(alias);
    this.#version(name, version);
    this.#model(name).aliases.set(alias, version);
  }

  async removeAlias(name: string, alias: string): Promise<void> {
    this.#model(name).aliases.delete(alias);
  }

  /** Removes the copies that were handed out. */
  async dispose(): Promise<void> {
    for (const folder of this.#copies) await rm(folder, { recursive: true });
  }

  #bytes(name: string, version: number, file: string): Buffer {
    const bytes = this.#version(name, version).files.get(file);
    if (bytes === undefined) throw new Error(`version ${version} of model "${name}" never had a file ${file}`);
    return bytes;
  }

  #model(name: string): KeptModel {
    const model = this.#models.get(name);
    if (model === undefined || stored(name, model).versions.length === 0) throw modelNotFound(name);
    return model;
  }

  #version(name: string, version: number): KeptVersion {
    const model = this.#model(name);
    const kept = model.versions[version - 1];
    if (typeof kept !== 'object') throw versionNotFound(stored(name, model), version);
    return kept;
  }
}

function stored(name: string, { versions, aliases }: KeptModel): StoredModel {
  return {
    name,
    versions: versions.flatMap((kept, index) => (typeof kept === 'object' ? [index + 1] : [])),
    aliases: Object.fromEntries(aliases),
    damagedAliases: {},
  };
}
