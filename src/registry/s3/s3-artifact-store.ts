import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkedJson, parseCheckedJson } from '../../common/checked-json.ts';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { Mutex } from '../../common/mutex.ts';
import { messageWithoutPath } from '../../common/storage-error.ts';
import {
  type ArtifactStore,
  checkAlias,
  checkStoredName,
  expectUnused,
  isStoredName,
  modelNotFound,
  type StoredModel,
  type StoredVersion,
} from '../artifact-store.ts';
import { versionFilesIn } from '../version-folder.ts';
import { FILES, MOST_UPLOAD_MS, removeAbandonedFiles } from './abandoned-files.ts';
import { type BucketOptions, S3Bucket } from './bucket.ts';
import { expectConditionalWrites } from './conditional-writes.ts';
import { FileCache } from './file-cache.ts';
import {
  asStoredModel,
  type FileEntry,
  type ModelRecord,
  modelRecordSchema,
  NO_RECORD,
  nextNumber,
  numberOfKey,
  requireVersion,
  type VersionEntry,
  versionIn,
  versionOfKey,
  versionsIn,
  withAlias,
  withNumber,
} from './model-record.ts';

/** Below this is a record for each model: `<name>.json`. */
const MODELS = 'models/';
/** A change of a record is tried this often when other servers change it at the same moment. */
const MAX_CHANGES = 20;
/** The most milliseconds between two of them, at random. */
const MAX_PAUSE_MS = 50;
/** Records that are read at once. */
const READS_AT_ONCE = 16;

/** Where a store is, and where it keeps copies of files. */
export interface S3StoreOptions extends BucketOptions {
  readonly cacheFolder: string;
  /** Bytes of copies that are kept; those in use are kept even if they take more. */
  readonly cacheBytes: number;
  readonly logger: Logger;
}

/** What a change of a record leads to; without a new record nothing is written. */
interface Change<T> {
  readonly changed?: ModelRecord;
  readonly result: T;
}

/**
 * A store in a bucket of S3. `models/<name>.json` is all that is known of a model, and is changed by compare-and-swap on
 * its ETag: each call that changes something is one conditional write, after the files of a version have been uploaded
 * to a folder of their own, `files/<name>/<uuid>/`. So nothing half-written is ever seen, and any number of processes
 * may use the bucket.
 *
 * `get`, `list` and `revision` ask S3; a change is seen by all as soon as it is made. `getVersion` and `localFile`
 * remember what was last read, since versions never change: they go on working without S3 for files that were used
 * before, and find out about a version that another process has removed with the next `get` or `list`.
 */
export class S3ArtifactStore implements ArtifactStore {
  readonly #bucket: S3Bucket;
  readonly #cache: FileCache;
  readonly #logger: Logger;
  /** Records as they were last read. */
  readonly #seen = new Map<string, { readonly etag: string; readonly record: ModelRecord }>();
  /** SHA-256 of the files that were handed out. */
  readonly #handedOut = new Set<string>();
  /** Changes of one process wait for each other instead of refusing each other. */
  readonly #mutexes = new Map<string, Mutex>();
  #problem: string | undefined;
  /** Whether a file could not be fetched since `revision` was last called. */
  #missedFiles = false;
  #closed = false;

  private constructor(bucket: S3Bucket, { cacheFolder: folder, cacheBytes: budgetBytes, logger }: S3StoreOptions) {
    this.#bucket = bucket;
    this.#logger = logger;
    this.#cache = new FileCache({ folder, budgetBytes, isInUse: (sha256) => this.#isInUse(sha256) });
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

  /** What is wrong with the bucket, for health checks. */
  get warnings(): string[] {
    return this.#problem === undefined ? [] : [`${this.#problem} What is on this machine is served meanwhile.`];
  }

  /** A text that changes when `list` does, and after files could not be fetched: then they are worth another try. */
  async revision(): Promise<string> {
    const records = await this.#ask(() => this.#bucket.list(MODELS));
    const retry = this.#missedFiles ? randomUUID() : '';
    this.#missedFiles = false;
    return `${records.map(({ key, etag }) => `${key} ${etag}`).join('\n')}${retry}`;
  }

  async reserveVersion(name: string, key: string): Promise<number> {
    checkStoredName(name);
    return await this.#change(name, (record) => {
      const before = numberOfKey(record, key);
      if (before !== undefined) return { result: before };
      const result = nextNumber(record);
      return { changed: withNumber(record, result, { reserved: key }), result };
    });
  }

  async putVersion(name: string, folder: string, key: string): Promise<number> {
    checkStoredName(name);
    const before = versionOfKey((await this.#read(name))?.record ?? NO_RECORD, key);
    if (before !== undefined) return before[0];
    const start = performance.now();
    const upload = randomUUID();
    const files: FileEntry[] = [];
    for (const file of await versionFilesIn(folder)) {
      files.push(await this.#upload(join(folder, file), name, upload, file));
    }
    const version = { key, created_at: new Date().toISOString(), folder: upload, files };
    const [number, published] = await this.#change(name, (record) => {
      const known = versionOfKey(record, key);
      if (known !== undefined) return { result: known };
      if (performance.now() - start > MOST_UPLOAD_MS) throw new Error('the upload of the version took too long');
      const next = numberOfKey(record, key) ?? nextNumber(record);
      return { changed: withNumber(record, next, version), result: [next, version] as const };
    });
    // Another process was faster with the same key. After an error nobody knows whether the version was published.
    if (published.folder !== upload) await this.#removeFiles(name, version);
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
    const { folder, files } = await this.#version(name, version);
    const known = files.find((each) => each.file === file);
    if (known === undefined) throw new Error(`version ${version} of model "${name}" never had a file ${file}`);
    this.#handedOut.add(known.sha256);
    const what = `${name}/${version}/${file}`;
    try {
      return await this.#cache.get(known, async (path) => {
        const isThere = await this.#ask(() => this.#bucket.download(keyOf(name, folder, file), path));
        if (!isThere) throw new AppError('model_unavailable', `${what} is missing`);
      });
    } catch (thrown) {
      if (thrown instanceof AppError && ['model_unavailable', 'storage_full'].includes(thrown.code)) throw thrown;
      const isUnreachable = thrown instanceof AppError;
      this.#missedFiles ||= isUnreachable;
      const reason = isUnreachable ? 'cannot be fetched' : 'is damaged';
      throw new AppError('model_unavailable', `${what} ${reason}: ${messageWithoutPath(thrown)}`, { cause: thrown });
    }
  }

  async get(name: string): Promise<StoredModel> {
    const found = isStoredName(name) ? await this.#read(name) : undefined;
    const model = asStoredModel(name, found?.record ?? NO_RECORD);
    if (model.versions.length === 0) throw modelNotFound(name);
    return model;
  }

  async list(): Promise<readonly StoredModel[]> {
    const listed = (await this.#ask(() => this.#bucket.list(MODELS))).flatMap(({ key, etag }) => {
      const name = key.slice(MODELS.length).replace(/\.json$/, '');
      return isStoredName(name) && key === recordKey(name) ? [{ name, etag }] : [];
    });
    const names = new Set(listed.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    const models: StoredModel[] = [];
    for (let from = 0; from < listed.length; from += READS_AT_ONCE) {
      const some = listed.slice(from, from + READS_AT_ONCE).map((each) => this.#listed(each));
      models.push(
        ...(await Promise.all(some)).filter((model) => model.versions.length > 0 || model.damage !== undefined),
      );
    }
    return models.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeVersion(name: string, version: number): Promise<void> {
    const id = randomUUID();
    const removed = await this.#change(name, (record) => {
      const entry = record.numbers[String(version)];
      // The answer to the write of this call was lost.
      if (entry !== undefined && 'removed' in entry && entry.removed === id) return { result: undefined };
      const model = requireModel(name, record);
      const result = requireVersion(name, record, version);
      expectUnused(model, version);
      return { changed: withNumber(record, version, { removed: id }), result };
    });
    if (removed !== undefined) await this.#removeFiles(name, removed);
  }

  async setAlias(name: string, alias: string, version: number): Promise<void> {
    checkAlias(alias);
    await this.#change(name, (record) => {
      requireModel(name, record);
      requireVersion(name, record, version);
      if (record.aliases[alias] === version) return { result: undefined };
      return { changed: withAlias(record, alias, version), result: undefined };
    });
  }

  async removeAlias(name: string, alias: string): Promise<void> {
    await this.#change(name, (record) => {
      requireModel(name, record);
      if (!Object.hasOwn(record.aliases, alias)) return { result: undefined };
      return { changed: withAlias(record, alias, undefined), result: undefined };
    });
  }

  /** Ends all requests. */
  close(): void {
    this.#closed = true;
    this.#bucket.close();
  }

  /** Applies a change to the record of a model, again whenever another process was faster. */
  async #change<T>(name: string, change: (record: ModelRecord) => Change<T>): Promise<T> {
    const mutex = this.#mutexes.get(name) ?? new Mutex();
    this.#mutexes.set(name, mutex);
    return await mutex.run(async () => {
      for (let attempt = 1; attempt <= MAX_CHANGES; attempt += 1) {
        const before = isStoredName(name) ? await this.#read(name) : undefined;
        const { changed, result } = change(before?.record ?? NO_RECORD);
        if (changed === undefined) return result;
        const written = await this.#ask(() =>
          this.#bucket.writeIf(recordKey(name), checkedJson(changed), before?.etag),
        );
        if (written) {
          // Read again by the next `list`, which knows the ETag.
          this.#seen.set(name, { etag: '', record: changed });
          return result;
        }
        await delay(Math.random() * MAX_PAUSE_MS);
      }
      const message = `Too many servers change model "${name}" at the same moment. Try again.`;
      throw new AppError('storage_unavailable', message, { retryAfter: 1 });
    });
  }

  async #version(name: string, version: number): Promise<VersionEntry> {
    const seen = this.#seen.get(name)?.record;
    const known = seen && versionIn(seen, version);
    if (known !== undefined) return known;
    await this.get(name);
    return requireVersion(name, this.#seen.get(name)?.record ?? NO_RECORD, version);
  }

  /** Reads the record of a model. @throws AppError `model_unavailable` when it is damaged */
  async #read(name: string): Promise<{ readonly etag: string; readonly record: ModelRecord } | undefined> {
    const found = await this.#ask(() => this.#bucket.read(recordKey(name)));
    if (found === undefined) {
      this.#seen.delete(name);
      return undefined;
    }
    try {
      const read = { etag: found.etag, record: parseCheckedJson(found.text, modelRecordSchema) };
      this.#seen.set(name, read);
      return read;
    } catch (thrown) {
      throw new AppError('model_unavailable', `${recordKey(name)} is damaged: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  async #listed({ name, etag }: { name: string; etag: string }): Promise<StoredModel> {
    const seen = this.#seen.get(name);
    if (seen?.etag === etag) return asStoredModel(name, seen.record);
    try {
      return asStoredModel(name, (await this.#read(name))?.record ?? NO_RECORD);
    } catch (thrown) {
      if (!(thrown instanceof AppError) || thrown.code !== 'model_unavailable') throw thrown;
      return { ...asStoredModel(name, NO_RECORD), damage: thrown.message };
    }
  }

  async #upload(path: string, name: string, folder: string, file: string): Promise<FileEntry> {
    const hash = createHash('sha256');
    let size_bytes = 0;
    const hashed = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size_bytes += chunk.length;
        yield chunk;
      }
    };
    await this.#ask(() => this.#bucket.upload(keyOf(name, folder, file), hashed(createReadStream(path))));
    return { file, size_bytes, sha256: hash.digest('hex') };
  }

  /** Removes files that belong to no version any more; those that cannot be removed now are abandoned. */
  async #removeFiles(name: string, { folder, files }: { folder: string; files: readonly FileEntry[] }): Promise<void> {
    try {
      for (const { file } of files) await this.#bucket.remove(keyOf(name, folder, file));
    } catch (thrown) {
      this.#logger.warn(
        { model: name, folder, reason: messageOf(thrown) },
        'files in the bucket cannot be removed yet',
      );
    }
  }

  async #removeAbandoned(now: Date): Promise<void> {
    try {
      await removeAbandonedFiles(this.#bucket, now, async () => {
        if ((await this.list()).some(({ damage }) => damage !== undefined)) {
          throw new Error('a record is damaged: its files may belong to versions');
        }
        return new Set(
          [...this.#seen].flatMap(([name, { record }]) =>
            versionsIn(record).map(([, { folder }]) => keyOf(name, folder, '')),
          ),
        );
      });
    } catch (thrown) {
      if (this.#closed) return;
      this.#logger.warn({ reason: messageOf(thrown) }, 'abandoned files in the bucket are not removed');
    }
  }

  #isInUse(sha256: string): boolean {
    if (!this.#handedOut.has(sha256)) return false;
    return [...this.#seen.values()].some(({ record }) =>
      versionsIn(record).some(([, { files }]) => files.some((file) => file.sha256 === sha256)),
    );
  }

  /** Remembers whether S3 answers. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (this.#problem !== undefined) this.#logger.info('the bucket can be used again');
      this.#problem = undefined;
      return answer;
    } catch (thrown) {
      const problem = messageOf(thrown);
      const reason = thrown instanceof AppError && thrown.cause !== undefined ? messageOf(thrown.cause) : problem;
      if (this.#problem !== problem && !this.#closed) this.#logger.error({ reason }, problem);
      this.#problem = problem;
      throw thrown;
    }
  }
}

function requireModel(name: string, record: ModelRecord): StoredModel {
  const model = asStoredModel(name, record);
  if (model.versions.length === 0) throw modelNotFound(name);
  return model;
}

function recordKey(name: string): string {
  return `${MODELS}${name}.json`;
}

function keyOf(name: string, folder: string, file: string): string {
  return `${FILES}${name}/${folder}/${file}`;
}
