import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type * as ClientS3 from '@aws-sdk/client-s3';
import type * as LibStorage from '@aws-sdk/lib-storage';
import { messageOf } from '../../common/errors.ts';
import { asBucketError, isMissing, isRefusedCondition } from './bucket-errors.ts';
import type { StoreLocation } from './store-location.ts';

/** The packages that speak with S3. They are installed by those who want them. */
const PACKAGES = ['@aws-sdk/client-s3', '@aws-sdk/lib-storage'] as const;
/** A request is tried this often, with growing pauses, when S3 answers 500, 503 or 429, or not at all. */
const MAX_ATTEMPTS = 4;
/** Milliseconds that a connection may take, and that S3 may then be silent. */
const CONNECT_TIMEOUT_MS = 3_000;
const SILENCE_TIMEOUT_MS = 15_000;
/**
 * Milliseconds until a listing or a small object is answered. A connection that was lost without a sign is given up by
 * then: replicas look for changes with such requests, one after the other.
 */
const SMALL_TIMEOUT_MS = 5_000;
/** Larger files are sent in parts of this size, two at a time: 16 MiB of memory for each upload. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;

/** How a bucket is reached. Region and credentials are found as the client does: `AWS_REGION`, `AWS_PROFILE`, roles... */
export interface BucketOptions extends StoreLocation {
  /** Address of an S3 API other than Amazon's, whose buckets are then named in the path. */
  readonly endpoint?: string;
  /** Milliseconds of silence after which a request is tried again. */
  readonly silenceTimeoutMs?: number;
}

/** An object in a listing. */
export interface ListedObject {
  readonly key: string;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
}

/**
 * The objects of one store in a bucket; keys are given without the prefix of the store. Every call throws AppError
 * `storage_unavailable`, or `storage_full`, when S3 refuses it or does not answer.
 *
 * The class has another name than the field `Bucket` of requests: TypeScript 7.0 would rename both where it compiles
 * private members.
 */
export class S3Bucket {
  readonly #s3: typeof ClientS3;
  readonly #Upload: typeof LibStorage.Upload;
  readonly #client: ClientS3.S3Client;
  readonly #location: StoreLocation;
  readonly #closing = new AbortController();
  #quotesEtags = true;

  private constructor(s3: typeof ClientS3, storage: typeof LibStorage, options: BucketOptions) {
    const { endpoint, silenceTimeoutMs = SILENCE_TIMEOUT_MS } = options;
    this.#s3 = s3;
    this.#Upload = storage.Upload;
    // Each request in flight is one.
    setMaxListeners(0, this.#closing.signal);
    this.#location = options;
    this.#client = new s3.S3Client({
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
      maxAttempts: MAX_ATTEMPTS,
      retryMode: 'standard',
      // Many S3 APIs do not know the newer checksums, and files are verified by SHA-256 when they are read.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: silenceTimeoutMs,
        throwOnRequestTimeout: true,
      },
    });
  }

  /** @throws Error that says what to install when the client of S3 is missing */
  static async open(options: BucketOptions): Promise<S3Bucket> {
    try {
      const [s3, storage] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]);
      return new S3Bucket(s3, storage, options);
    } catch (thrown) {
      throw new Error(
        `ARTIFACT_STORE names an S3 bucket, whose client cannot be loaded: install it with "npm install ` +
          `${PACKAGES.join(' ')}" (${messageOf(thrown)})`,
        { cause: thrown },
      );
    }
  }

  /** The store, as it is written in the settings. */
  get address(): string {
    return `s3://${this.#location.bucket}/${this.#location.prefix}`.replace(/\/$/, '');
  }

  /** From now on, conditions have ETags without quotes. */
  sendBareEtags(): void {
    this.#quotesEtags = false;
  }

  /** The text of a small object and its ETag; undefined when there is no such object. */
  async read(key: string): Promise<{ text: string; etag: string } | undefined> {
    return await this.#ask(async (abortSignal) => {
      const options = { abortSignal, requestTimeout: SMALL_TIMEOUT_MS };
      try {
        const found = await this.#client.send(new this.#s3.GetObjectCommand(this.#at(key)), options);
        return { text: (await found.Body?.transformToString()) ?? '', etag: bareEtag(found.ETag) };
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    });
  }

  /** The bytes of an object, or only the first of them; undefined when there is no such object. */
  async readBytes(key: string, first?: number): Promise<Buffer | undefined> {
    const range = first === undefined ? {} : { Range: `bytes=0-${first - 1}` };
    return await this.#ask(async (abortSignal) => {
      try {
        const input = { ...this.#at(key), ...range };
        const found = await this.#client.send(new this.#s3.GetObjectCommand(input), { abortSignal });
        return Buffer.from((await found.Body?.transformToByteArray()) ?? []);
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    });
  }

  /**
   * Writes an object if it still has the ETag, or if it does not exist where no ETag is given.
   * @returns whether it was written. After a lost answer the client tries again, so false may also mean that this very
   * call has changed the object: read it to know
   */
  async writeIf(key: string, text: string, etag: string | undefined): Promise<boolean> {
    const condition = etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: this.#quotesEtags ? `"${etag}"` : etag };
    return await this.#ask(async (abortSignal) => {
      const options = { abortSignal, requestTimeout: SMALL_TIMEOUT_MS };
      try {
        const input = { ...this.#at(key), ...condition, Body: text, ContentType: 'application/json' };
        await this.#client.send(new this.#s3.PutObjectCommand(input), options);
        return true;
      } catch (thrown) {
        if (isRefusedCondition(thrown)) return false;
        throw thrown;
      }
    });
  }

  /** Writes a small object, in place of the one before. */
  async write(key: string, content: string | Buffer): Promise<void> {
    await this.#ask((abortSignal) =>
      this.#client.send(new this.#s3.PutObjectCommand({ ...this.#at(key), Body: content }), { abortSignal }),
    );
  }

  /** All objects whose keys begin with a text. */
  async list(prefix: string): Promise<ListedObject[]> {
    const { bucket, prefix: root } = this.#location;
    return await this.#ask(async (abortSignal) => {
      const options = { abortSignal, requestTimeout: SMALL_TIMEOUT_MS };
      const found: ListedObject[] = [];
      let token: string | undefined;
      do {
        const input = {
          Bucket: bucket,
          Prefix: root + prefix,
          ...(token !== undefined && { ContinuationToken: token }),
        };
        const page = await this.#client.send(new this.#s3.ListObjectsV2Command(input), options);
        for (const object of page.Contents ?? []) {
          const { Key: key, ETag: etag, Size: size = 0, LastModified: modified = new Date(0) } = object;
          if (key !== undefined) found.push({ key: key.slice(root.length), etag: bareEtag(etag), size, modified });
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
      return found;
    });
  }

  /** Writes an object, in parts when it is large. What was sent of an upload that fails is removed. */
  async upload(key: string, content: AsyncIterable<Buffer>): Promise<void> {
    await this.#ask(async () => {
      const upload = new this.#Upload({
        client: this.#client,
        params: { ...this.#at(key), Body: Readable.from(content, { objectMode: false }) },
        partSize: PART_BYTES,
        queueSize: PARTS_AT_ONCE,
      });
      const abort = () => void upload.abort();
      this.#closing.signal.addEventListener('abort', abort, { once: true });
      try {
        await upload.done();
      } finally {
        this.#closing.signal.removeEventListener('abort', abort);
      }
    });
  }

  /** Writes an object to a file. @returns whether there is such an object */
  async download(key: string, path: string): Promise<boolean> {
    return await this.#ask(async (abortSignal) => {
      let found: ClientS3.GetObjectCommandOutput;
      try {
        found = await this.#client.send(new this.#s3.GetObjectCommand(this.#at(key)), { abortSignal });
      } catch (thrown) {
        if (isMissing(thrown)) return false;
        throw thrown;
      }
      await pipeline(found.Body as Readable, createWriteStream(path, { flush: true }), { signal: abortSignal });
      return true;
    });
  }

  /** Does nothing when there is no such object. */
  async remove(key: string): Promise<void> {
    await this.#ask((abortSignal) =>
      this.#client.send(new this.#s3.DeleteObjectCommand(this.#at(key)), { abortSignal }),
    );
  }

  /** Removes the parts of uploads that began before a time and never ended. */
  async abortUploads(before: Date): Promise<void> {
    const { bucket, prefix } = this.#location;
    await this.#ask(async (abortSignal) => {
      const page = await this.#client.send(
        new this.#s3.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
        {
          abortSignal,
        },
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Initiated === undefined || Initiated >= before) continue;
        const input = { Bucket: bucket, Key, UploadId };
        await this.#client.send(new this.#s3.AbortMultipartUploadCommand(input), { abortSignal });
      }
    });
  }

  /** Ends all requests; there must be no more. */
  close(): void {
    this.#closing.abort();
    this.#client.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + key };
  }

  async #ask<T>(work: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await work(this.#closing.signal);
    } catch (thrown) {
      throw asBucketError(thrown);
    }
  }
}

/** An ETag without its quotes: some S3 APIs give it with, some without them. */
function bareEtag(etag = ''): string {
  return etag.replace(/^"(.*)"$/, '$1');
}
