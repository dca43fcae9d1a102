import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { checkedJson, parseCheckedJson } from '../common/checked-json.ts';
import { messageOf } from '../common/errors.ts';
import { areIntact } from '../common/file-digest.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { ListedObject, S3Bucket } from '../registry/s3/bucket.ts';
import { type Quantization, quantizationSchema } from './quantization-record.ts';
import { MODEL_FILE, type QuantizedModels, quantizationKey } from './quantized-models.ts';

/**
 * Below this is the record of each variant. It is beside the records of models, no name of which begins with a dot, so
 * that one listing shows changes of both.
 */
const RECORDS = 'models/.int8/';
/** Below this are the models, in folders by variant and digest. */
const FILES = 'variants/';
/** Milliseconds before what could not be copied is tried again: it may be damaged, or the disk of this machine be full. */
const AGAIN_MS = 30_000;
const RECORD_KEY = /^models\/\.int8\/([0-9a-f]{64})\.json$/;

/** Dependencies of `SharedVariants`. */
export interface SharedVariantsParts {
  readonly bucket: Pick<S3Bucket, 'list' | 'read' | 'write' | 'upload' | 'download' | 'remove'>;
  readonly quantized: Pick<QuantizedModels, 'keys' | 'findByKey' | 'putByKey' | 'removeByKey'>;
  /** All versions that are served here. */
  readonly versions: () => readonly ModelVersion[];
  /** Unloads a variant that was replaced on this machine. */
  readonly release: (model: ModelVersion) => Promise<void>;
  readonly logger: Logger;
  readonly againMs?: number;
}

/**
 * Models in 8-bit integers that machines share in a bucket. Each machine copies all of them: they are a quarter of their
 * models, and few. A variant is the record that was put last, and is put after its file. One that is removed is removed
 * everywhere, unless a machine still serves a version that has it; one that a machine made before it had a bucket is put.
 */
export class SharedVariants {
  readonly #parts: SharedVariantsParts;
  /** ETags of the records that are on this machine, by key of the variant. */
  readonly #seen = new Map<string, string>();
  readonly #mutex = new Mutex();
  /** Tries again what could not be copied. */
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: SharedVariantsParts) {
    this.#parts = parts;
  }

  /**
   * Puts a variant, in place of the one before.
   * @param path of its file
   * @throws AppError `storage_unavailable`, `storage_full`
   */
  async put(key: string, record: Quantization, path: string): Promise<void> {
    const { bucket } = this.#parts;
    const before = await bucket.read(recordKey(key));
    await bucket.upload(fileKey(key, record), createReadStream(path));
    await bucket.write(recordKey(key), checkedJson(record));
    await this.#removeReplaced(key, before?.text, record);
  }

  /** Removes the variant of a model, unless one of the models in `staying` shares it. What cannot be removed stays. */
  async remove(model: ModelVersion, staying: Iterable<ModelVersion>): Promise<void> {
    const { bucket, logger } = this.#parts;
    const key = quantizationKey(model);
    for (const other of staying) if (quantizationKey(other) === key) return;
    try {
      await bucket.remove(recordKey(key));
      this.#seen.delete(key);
      for (const file of await bucket.list(`${FILES}${key}/`)) await bucket.remove(file.key);
    } catch (thrown) {
      logger.warn({ variant: key, reason: messageOf(thrown) }, 'a variant in the bucket cannot be removed');
    }
  }

  /**
   * Copies the variants that are new or have changed, and removes those that were removed. What cannot be copied is logged,
   * and tried again later.
   */
  async copy(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#isClosed) return;
      try {
        const listed = await this.#parts.bucket.list(RECORDS);
        for (const each of listed) await this.#copyOne(each);
        await this.#settleUnlisted(new Set(listed.map((each) => each.key)));
      } catch (thrown) {
        this.#miss(thrown);
      }
    });
  }

  /** Copies nothing more. What is being copied ends when the bucket is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#again);
    await this.#mutex.run(async () => undefined);
  }

  async #copyOne({ key: at, etag }: ListedObject): Promise<void> {
    const [, key] = RECORD_KEY.exec(at) ?? [];
    if (key === undefined || this.#seen.get(key) === etag) return;
    const { bucket, quantized, release } = this.#parts;
    const found = await bucket.read(at);
    if (found === undefined) return;
    try {
      const record = parseCheckedJson(found.text, quantizationSchema);
      const before = (await quantized.findByKey(key))?.record;
      if (before?.sha256 !== record.sha256 || before.made_at !== record.made_at) {
        await quantized.putByKey(key, (folder) => this.#fetch(key, record, join(folder, MODEL_FILE)));
        if (before !== undefined) {
          await Promise.all(this.#versionsWith(key).map((version) => release({ ...version, variant: 'int8' })));
        }
      }
      this.#seen.set(key, found.etag);
    } catch (thrown) {
      this.#miss(thrown, key);
    }
  }

  /** Removes the file of a record that has been replaced. What cannot be removed goes with the variant. */
  async #removeReplaced(key: string, before: string | undefined, { sha256 }: Quantization): Promise<void> {
    const { bucket, logger } = this.#parts;
    try {
      const replaced = before === undefined ? undefined : parseCheckedJson(before, quantizationSchema);
      if (replaced !== undefined && replaced.sha256 !== sha256) await bucket.remove(fileKey(key, replaced));
    } catch (thrown) {
      logger.warn({ variant: key, reason: messageOf(thrown) }, 'a variant that was replaced stays in the bucket');
    }
  }

  /** Looks after the variants of this machine that are not in the bucket. @param listed keys of all records there */
  async #settleUnlisted(listed: ReadonlySet<string>): Promise<void> {
    const { quantized } = this.#parts;
    for (const key of await quantized.keys()) {
      if (listed.has(recordKey(key))) continue;
      const [isServed, wasShared] = [this.#versionsWith(key).length > 0, this.#seen.has(key)];
      if (!isServed && wasShared) {
        await quantized.removeByKey(key);
        this.#seen.delete(key);
      } else if (isServed && !wasShared) {
        await this.#putOwn(key);
      }
    }
  }

  async #putOwn(key: string): Promise<void> {
    const found = await this.#parts.quantized.findByKey(key);
    if (found === undefined) return;
    const { path, record } = found;
    const { sha256 } = record;
    if (await areIntact([{ path, sha256 }])) await this.put(key, record, path);
  }

  #versionsWith(key: string): ModelVersion[] {
    return this.#parts.versions().filter((version) => quantizationKey(version) === key);
  }

  async #fetch(key: string, record: Quantization, path: string): Promise<Quantization> {
    const { sha256 } = record;
    if (!(await this.#parts.bucket.download(fileKey(key, record), path))) throw new Error('its file is missing');
    if (!(await areIntact([{ path, sha256 }]))) throw new Error(`the SHA-256 of its file is not ${sha256}`);
    return record;
  }

  #miss(thrown: unknown, variant?: string): void {
    if (this.#isClosed) return;
    const { logger, againMs = AGAIN_MS } = this.#parts;
    logger.warn({ variant, reason: messageOf(thrown) }, 'variants in the bucket cannot be copied yet');
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.copy(), againMs).unref();
  }
}

function recordKey(key: string): string {
  return `${RECORDS}${key}.json`;
}

function fileKey(key: string, { sha256 }: Quantization): string {
  return `${FILES}${key}/${sha256}/${MODEL_FILE}`;
}
