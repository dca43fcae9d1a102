import { setTimeout as delay } from 'node:timers/promises';
import { forEachConcurrently } from '../../common/concurrency.ts';
import { messageOf } from '../../common/errors.ts';
import { type BucketOptions, S3Bucket } from '../../registry/s3/bucket.ts';
import { type CachedRecord, decodeBlock, digestsIn, encodeBlock, headBytes, shortDigest } from './feature-block.ts';

/** Below this are the blocks, in a folder for each cache. */
const FEATURES = 'features/';
/** Records wait so long for others, to be sent as one block: what a job that is killed has computed last is lost. */
const FLUSH_MS = 5_000;
/** Records of so many bytes wait no longer: some hundred to a thousand feature vectors. */
const BLOCK_BYTES = 4 * 1024 * 1024;
/** Blocks are removed at this age: most fine-tunes on the same images follow within days. */
const MAX_AGE_MS = 7 * 24 * 3_600_000;
/** The most blocks of one cache that are looked at, the newest first; their heads are then 8 MB at most. */
const MAX_BLOCKS = 1_000;
const READS_AT_ONCE = 16;
/** Milliseconds that an answer may take, after which computing is faster; and that the end of a job waits for uploads. */
const PATIENCE_MS = 10_000;
const NO_RECORDS: ReadonlyMap<string, Buffer> = new Map();

/** Where features are shared. */
export interface SharedFeaturesOptions extends BucketOptions {
  /** The most bytes that are kept there. */
  readonly maxBytes: number;
  readonly flushMs?: number;
}

/**
 * Features that machines have computed, in a bucket: whoever goes on with the job of a machine that died, or trains on the
 * same images, finds them there.
 *
 * They can be computed again, so nothing here fails a job: the first request that fails or takes too long ends the
 * sharing of this process.
 */
export class SharedFeatures {
  readonly #bucket: S3Bucket;
  readonly #options: SharedFeaturesOptions;
  readonly #caches = new Map<string, SharedCache>();
  #uploads: Promise<unknown> = Promise.resolve();
  #hasSent = false;
  #flushing: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(bucket: S3Bucket, options: SharedFeaturesOptions) {
    this.#bucket = bucket;
    this.#options = options;
  }

  /** @throws Error that says what to install when the client of S3 is missing */
  static async open(options: SharedFeaturesOptions): Promise<SharedFeatures> {
    return new SharedFeatures(await S3Bucket.open(options), options);
  }

  /** What is shared of a cache. @param name the same for all who compute the same values */
  cache(name: string): SharedCache {
    const cache = this.#caches.get(name) ?? new SharedCache(`${FEATURES}${name}/`, this);
    this.#caches.set(name, cache);
    return cache;
  }

  /** Asks the bucket. @returns undefined when it did not answer in time, or was not asked */
  async ask<T>(request: (bucket: S3Bucket) => Promise<T>): Promise<T | undefined> {
    return await this.#attempt(async (bucket) => {
      const impatience = new AbortController();
      const late = delay(PATIENCE_MS, undefined, { ref: false, signal: impatience.signal }).then(() => {
        throw new Error('the bucket takes too long to answer');
      });
      try {
        return await Promise.race([request(bucket), late]);
      } finally {
        impatience.abort();
      }
    });
  }

  /** Sends what was added, now or soon. */
  send(cache: SharedCache): void {
    if (cache.waitingBytes >= BLOCK_BYTES) this.#flush(cache);
    else this.#flushing ??= setTimeout(() => this.#flushAll(), this.#options.flushMs ?? FLUSH_MS).unref();
  }

  /** Sends what waits, removes what is too old or too much, and ends; all that in a bounded time. */
  async close(): Promise<void> {
    this.#flushAll();
    if (this.#hasSent) {
      const done = this.#uploads.then(() => this.#attempt((bucket) => this.#trim(bucket)));
      await Promise.race([done, delay(PATIENCE_MS, undefined, { ref: false })]);
    }
    this.#isOver = true;
    this.#bucket.close();
  }

  #flushAll(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    for (const cache of this.#caches.values()) this.#flush(cache);
  }

  #flush(cache: SharedCache): void {
    const records = cache.take();
    if (records.length === 0 || this.#isOver) return;
    this.#hasSent = true;
    const { name, content } = encodeBlock(records);
    this.#uploads = this.#uploads.then(() =>
      this.#attempt((bucket) => bucket.write(`${cache.folder}${name}`, content)),
    );
  }

  async #attempt<T>(request: (bucket: S3Bucket) => Promise<T>): Promise<T | undefined> {
    if (this.#isOver) return undefined;
    try {
      return await request(this.#bucket);
    } catch (thrown) {
      if (!this.#isOver) console.warn(`features are no longer shared: ${messageOf(thrown)}`);
      this.#isOver = true;
      return undefined;
    }
  }

  async #trim(bucket: S3Bucket): Promise<void> {
    const blocks = await bucket.list(FEATURES);
    let bytes = 0;
    for (const { key, size, modified } of blocks.sort((a, b) => b.modified.getTime() - a.modified.getTime())) {
      bytes += size;
      const isOld = Date.now() - modified.getTime() > MAX_AGE_MS;
      if (isOld || bytes > this.#options.maxBytes) await bucket.remove(key);
    }
  }
}

/** Records of one cache that are shared. */
export class SharedCache {
  /** What the keys of its blocks begin with. */
  readonly folder: string;
  readonly #shared: Pick<SharedFeatures, 'ask' | 'send'>;
  /** Which block has a record, by the beginning of its digest. */
  #index: Promise<ReadonlyMap<string, string>> | undefined;
  /** Records of the blocks that are being read, by name. A block that was read has none left. */
  readonly #blocks = new Map<string, Promise<ReadonlyMap<string, Buffer>>>();
  #waiting: CachedRecord[] = [];
  #waitingBytes = 0;

  constructor(folder: string, shared: Pick<SharedFeatures, 'ask' | 'send'>) {
    this.folder = folder;
    this.#shared = shared;
  }

  /** Bytes of records that were added and not taken. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * The payload that another machine has shared for a digest; undefined when there is none, or it cannot be had.
   * @param keep called with all records that came along, which are not given again: in memory they might be gigabytes
   */
  async find(digest: string, keep: (records: ReadonlyMap<string, Buffer>) => void): Promise<Buffer | undefined> {
    this.#index ??= this.#readIndex();
    const name = (await this.#index).get(shortDigest(digest));
    if (name === undefined) return undefined;
    const block = this.#blocks.get(name) ?? this.#readBlock(name, keep);
    this.#blocks.set(name, block);
    return (await block).get(digest);
  }

  /** Shares a record with other machines, in the background. */
  add(record: CachedRecord): void {
    this.#waiting.push(record);
    this.#waitingBytes += record.payload.length;
    this.#shared.send(this);
  }

  /** The records that were added since they were last taken. */
  take(): readonly CachedRecord[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return taken;
  }

  async #readIndex(): Promise<ReadonlyMap<string, string>> {
    const index = new Map<string, string>();
    await this.#shared.ask(async (bucket) => {
      const listed = await bucket.list(this.folder);
      const newest = listed.sort((a, b) => b.modified.getTime() - a.modified.getTime()).slice(0, MAX_BLOCKS);
      await forEachConcurrently(newest, READS_AT_ONCE, async ({ key }) => {
        const name = key.slice(this.folder.length);
        const bytes = headBytes(name);
        const head = bytes === undefined ? undefined : await bucket.readBytes(key, bytes);
        for (const short of head === undefined ? [] : digestsIn(head)) index.set(short, name);
      });
    });
    return index;
  }

  async #readBlock(
    name: string,
    keep: (records: ReadonlyMap<string, Buffer>) => void,
  ): Promise<ReadonlyMap<string, Buffer>> {
    const key = `${this.folder}${name}`;
    const read = await this.#shared.ask(async (bucket) => {
      const content = await bucket.readBytes(key);
      // It may have been removed to make room.
      if (content === undefined) return undefined;
      const records = decodeBlock({ name, content });
      if (records === undefined) {
        console.warn(`shared features are damaged, and computed again: ${key}`);
        // Whoever comes next would look into it again, and for as long as a block is kept.
        await bucket.remove(key);
      }
      return records;
    });
    const records = read ?? NO_RECORDS;
    keep(records);
    this.#blocks.set(name, Promise.resolve(NO_RECORDS));
    return records;
  }
}
