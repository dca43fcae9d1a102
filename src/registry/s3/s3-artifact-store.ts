import { randomUUID } from 'node:crypto';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import {
  type ArtifactStore,
  type ChooseAlias,
  checkAlias,
  checkStoredName,
  expectUnused,
  modelNotFound,
  type StoredModel,
  type StoredVersion,
} from '../artifact-store.ts';
import { MOST_UPLOAD_MS, removeAbandonedFiles } from './abandoned-files.ts';
import { type BucketOptions, S3Bucket } from './bucket.ts';
import { BucketHealth } from './bucket-health.ts';
import { expectConditionalWrites } from './conditional-writes.ts';
import {
  asStoredModel,
  type ModelRecord,
  NO_RECORD,
  nextNumber,
  numberOfKey,
  requireVersion,
  type VersionEntry,
  versionIn,
  versionOfKey,
  withAlias,
  withNumber,
} from './model-record.ts';
import { ModelRecords } from './model-records.ts';
import { fileOf, folderKey, VersionFiles } from './version-files.ts';

/** Where a store is, and where it keeps copies of files. */
export interface S3StoreOptions extends BucketOptions {
  readonly cacheFolder: string;
  /** Bytes of copies that are kept; those that were used in the last day and a half are kept even if they take more. */
  readonly cacheBytes: number;
  readonly logger: Logger;
  /** Called when this process has changed a version or an alias, or reserved a number. */
  readonly onChange?: () => void;
}

/**
 * A store in a bucket of S3. `models/<name>.json` is all that is known of a model, and is changed by compare-and-swap on
 * its ETag: each call that changes something is one conditional write, after the files of a version have been uploaded
 * to a folder of their own, `files/<name>/<uuid>/`. So nothing half-written is ever seen, and any number of processes
 * may use the bucket.
 *
 * `get`, `list` and `revision` ask S3; a change is seen by all as soon as it is made. `getVersion` and `localFile`
 * remember what was last read, since versions never change: they go on working without S3 for files that were used
 * before, and find out about a version that another process has removed with the next `get` or `list`. A file is copied
 * to this machine when it is first asked for; the small files of its version follow in the background.
 */
export class S3ArtifactStore implements ArtifactStore {
  readonly #bucket: S3Bucket;
  readonly #health: BucketHealth;
  readonly #records: ModelRecords;
  readonly #files: VersionFiles;
  readonly #logger: Logger;

  private constructor(bucket: S3Bucket, { cacheFolder, cacheBytes, logger, onChange = () => {} }: S3StoreOptions) {
    const health = new BucketHealth(logger);
    const records = new ModelRecords(bucket, health, onChange);
    this.#bucket = bucket;
    this.#health = health;
    this.#records = records;
    this.#files = new VersionFiles({ bucket, health, cacheFolder, cacheBytes, logger });
    this.#logger = logger;
  }

  /**
   * Opens a store, and begins to remove what ended processes have left in it.
   * @throws Error when the client of S3 is not installed, or the bucket cannot be used or does not honour conditional
   * writes
   */
  static async open(options: S3StoreOptions): Promise<S3ArtifactStore> {
    const bucket = await S3Bucket.open(options);
    try {
      const now = await expectConditionalWrites(bucket);
      const store = new S3ArtifactStore(bucket, options);
      void store.#removeAbandoned(now);
      return store;
    } catch (thrown) {
      bucket.close();
      if (!(thrown instanceof AppError)) throw thrown;
      // Who starts a server may know what clients may not.
      const why = thrown.cause === undefined ? '' : ` (${messageOf(thrown.cause)})`;
      throw new Error(`${bucket.address}: ${thrown.message}${why}`, { cause: thrown });
    }
  }

  /** Whether the last request to the bucket was answered. */
  get isUp(): boolean {
    return this.#health.isUp;
  }

  /** What is wrong with the bucket, for health checks. */
  get warnings(): string[] {
    return this.#health.warnings;
  }

  /** A text that changes when `list` does, and after files could not be fetched: then they are worth another try. */
  async revision(): Promise<string> {
    // `list` takes the last line off.
    return `${await this.#records.revision()}\n${this.#files.missed}`;
  }

  async reserveVersion(name: string, key: string): Promise<number> {
    checkStoredName(name);
    return await this.#records.change(name, (record) => {
      const before = numberOfKey(record, key);
      if (before !== undefined) return { result: before };
      const result = nextNumber(record);
      return { changed: withNumber(record, result, { reserved: key }), result };
    });
  }

  async putVersion(name: string, folder: string, key: string, chooseAlias?: ChooseAlias): Promise<number> {
    checkStoredName(name);
    const before = versionOfKey(await this.#records.read(name), key);
    if (before !== undefined) return before[0];
    const start = performance.now();
    const uploaded = await this.#files.upload(name, folder);
    const version = { key, created_at: new Date().toISOString(), ...uploaded };
    const [number, published] = await this.#records.change(name, (record) => {
      const known = versionOfKey(record, key);
      if (known !== undefined) return { result: known };
      if (performance.now() - start > MOST_UPLOAD_MS) throw new Error('the upload of the version took too long');
      const next = numberOfKey(record, key) ?? nextNumber(record);
      const added = withNumber(record, next, version);
      const alias = chooseAlias?.(asStoredModel(name, record));
      if (alias !== undefined) checkAlias(alias);
      return {
        changed: alias === undefined ? added : withAlias(added, alias, next),
        result: [next, version] as const,
      };
    });
    // Another process was faster with the same key. After an error nobody knows whether the version was published.
    if (published.folder !== uploaded.folder) await this.#files.remove(name, uploaded);
    return number;
  }

  async getVersion(name: string, version: number): Promise<StoredVersion> {
    const { key, created_at, files } = await this.#version(name, version);
    return {
      name,
      version,
      key,
      createdAt: created_at,
      files: files.map(({ file, size_bytes, sha256 }) => ({ file, sizeBytes: size_bytes, sha256 })),
    };
  }

  async localFile(name: string, version: number, file: string): Promise<string> {
    return await this.#files.localPath(name, version, await this.#version(name, version), file);
  }

  async expectFile(name: string, version: number, file: string): Promise<void> {
    fileOf(name, version, await this.#version(name, version), file);
  }

  async get(name: string): Promise<StoredModel> {
    return requireModel(name, await this.#records.read(name));
  }

  async list(revision?: string): Promise<readonly StoredModel[]> {
    const ofRecords = revision?.slice(0, revision.lastIndexOf('\n'));
    return (await this.#records.list(ofRecords))
      .map(({ name, record, damage }) => ({ ...asStoredModel(name, record), ...(damage !== undefined && { damage }) }))
      .filter((model) => model.versions.length > 0 || model.damage !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeVersion(name: string, version: number): Promise<void> {
    const id = randomUUID();
    const removed = await this.#records.change(name, (record) => {
      const entry = record.numbers[String(version)];
      // The answer to the write of this call was lost.
      if (entry !== undefined && 'removed' in entry && entry.removed === id) return { result: undefined };
      const model = requireModel(name, record);
      const result = requireVersion(name, record, version);
      expectUnused(model, version);
      return { changed: withNumber(record, version, { removed: id }), result };
    });
    if (removed !== undefined) await this.#files.remove(name, removed);
  }

  async setAlias(name: string, alias: string, version: number): Promise<void> {
    checkAlias(alias);
    await this.#records.change(name, (record) => {
      requireModel(name, record);
      requireVersion(name, record, version);
      if (record.aliases[alias] === version) return { result: undefined };
      return { changed: withAlias(record, alias, version), result: undefined };
    });
  }

  async removeAlias(name: string, alias: string): Promise<void> {
    await this.#records.change(name, (record) => {
      requireModel(name, record);
      if (!Object.hasOwn(record.aliases, alias)) return { result: undefined };
      return { changed: withAlias(record, alias, undefined), result: undefined };
    });
  }

  /** Ends all requests. */
  close(): void {
    this.#health.close();
    this.#bucket.close();
  }

  async #version(name: string, version: number): Promise<VersionEntry> {
    const known = versionIn(this.#records.seen(name) ?? NO_RECORD, version);
    if (known !== undefined) return known;
    const record = await this.#records.read(name);
    requireModel(name, record);
    return requireVersion(name, record, version);
  }

  async #removeAbandoned(now: Date): Promise<void> {
    try {
      await removeAbandonedFiles(this.#bucket, now, async () => {
        if ((await this.#records.list()).some(({ damage }) => damage !== undefined)) {
          throw new Error('a record is damaged: its files may belong to versions');
        }
        return new Set(this.#records.seenVersions().map(({ name, version }) => folderKey(name, version.folder)));
      });
    } catch (thrown) {
      if (this.#health.isClosed) return;
      this.#logger.warn({ reason: messageOf(thrown) }, 'abandoned files in the bucket are not removed');
    }
  }
}

function requireModel(name: string, record: ModelRecord): StoredModel {
  const model = asStoredModel(name, record);
  if (model.versions.length === 0) throw modelNotFound(name);
  return model;
}
