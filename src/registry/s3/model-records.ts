import { setTimeout as delay } from 'node:timers/promises';
import { checkedJson, parseCheckedJson } from '../../common/checked-json.ts';
import { AppError, messageOf } from '../../common/errors.ts';
import { Mutex } from '../../common/mutex.ts';
import { isStoredName } from '../artifact-store.ts';
import type { ListedObject, S3Bucket } from './bucket.ts';
import type { BucketHealth } from './bucket-health.ts';
import { type ModelRecord, modelRecordSchema, NO_RECORD, type VersionEntry, versionsIn } from './model-record.ts';

/** Below this is a record for each model: `<name>.json`. */
const MODELS = 'models/';
/** A change of a record is tried this often when other servers change it at the same moment. */
const MAX_CHANGES = 20;
/** The most milliseconds between two of them, at random. */
const MAX_PAUSE_MS = 50;
/** Records that are read at once. */
const READS_AT_ONCE = 16;

/** What a change of a record leads to; without a new record nothing is written. */
interface Change<T> {
  readonly changed?: ModelRecord;
  readonly result: T;
}

/** The record of a model, which is empty when it is damaged. */
export interface ListedRecord {
  readonly name: string;
  readonly record: ModelRecord;
  readonly damage?: string;
}

/**
 * The records of all models in a bucket, each of which is changed by compare-and-swap on its ETag. What was last read of
 * them is remembered.
 */
export class ModelRecords {
  readonly #bucket: S3Bucket;
  readonly #health: BucketHealth;
  readonly #onChange: () => void;
  /** Records as they were last read. */
  readonly #seen = new Map<string, { readonly etag: string; readonly record: ModelRecord }>();
  /** Counts the records that this process has read or written: a listing from before may be older than they are. */
  #steps = 0;
  /** What `revision` has listed, after how many steps. */
  #listed: { readonly revision: string; readonly objects: readonly ListedObject[]; readonly steps: number } | undefined;
  /** Changes of one process wait for each other instead of refusing each other. */
  readonly #mutexes = new Map<string, Mutex>();

  /** @param onChange called when this process has changed a record */
  constructor(bucket: S3Bucket, health: BucketHealth, onChange: () => void) {
    this.#bucket = bucket;
    this.#health = health;
    this.#onChange = onChange;
  }

  /** A text that changes when a record does. */
  async revision(): Promise<string> {
    const steps = this.#steps;
    const objects = await this.#list();
    const revision = objects.map(({ key, etag }) => `${key} ${etag}`).join('\n');
    this.#listed = { revision, objects, steps };
    return revision;
  }

  /** The record of a model as it was last read. */
  seen(name: string): ModelRecord | undefined {
    return this.#seen.get(name)?.record;
  }

  /** The versions of all models, as they were last read. */
  seenVersions(): { readonly name: string; readonly version: VersionEntry }[] {
    return [...this.#seen].flatMap(([name, { record }]) =>
      versionsIn(record).map(([, version]) => ({ name, version })),
    );
  }

  /** Reads the record of a model; that of an unknown one is empty. @throws AppError `model_unavailable` when it is damaged */
  async read(name: string): Promise<ModelRecord> {
    return (await this.#read(name))?.record ?? NO_RECORD;
  }

  /**
   * Reads the records that have changed since they were last read, and gives all.
   * @param revision as in `ArtifactStore.list`
   */
  async list(revision?: string): Promise<ListedRecord[]> {
    const last = this.#listed;
    const isCurrent = last !== undefined && last.revision === revision && last.steps === this.#steps;
    const objects = isCurrent ? last.objects : await this.#list();
    const listed = objects.flatMap(({ key, etag }) => {
      const name = key.slice(MODELS.length).replace(/\.json$/, '');
      return isStoredName(name) && key === recordKey(name) ? [{ name, etag }] : [];
    });
    const names = new Set(listed.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    const records: ListedRecord[] = [];
    for (let from = 0; from < listed.length; from += READS_AT_ONCE) {
      const some = listed.slice(from, from + READS_AT_ONCE).map((each) => this.#recordOf(each));
      records.push(...(await Promise.all(some)));
    }
    return records;
  }

  /** Applies a change to the record of a model, again whenever another process was faster. */
  async change<T>(name: string, change: (record: ModelRecord) => Change<T>): Promise<T> {
    const mutex = this.#mutexes.get(name) ?? new Mutex();
    this.#mutexes.set(name, mutex);
    return await mutex.run(async () => {
      for (let attempt = 1; attempt <= MAX_CHANGES; attempt += 1) {
        const before = await this.#read(name);
        const { changed, result } = change(before?.record ?? NO_RECORD);
        if (changed === undefined) return result;
        const written = await this.#health.write(() =>
          this.#bucket.writeIf(recordKey(name), checkedJson(changed), before?.etag),
        );
        if (written) {
          // Read again by the next `list`, which knows the ETag.
          this.#seen.set(name, { etag: '', record: changed });
          this.#steps += 1;
          this.#onChange();
          return result;
        }
        await delay(Math.random() * MAX_PAUSE_MS);
      }
      const message = `Too many servers change model "${name}" at the same moment. Try again.`;
      throw new AppError('storage_unavailable', message, { retryAfter: 1 });
    });
  }

  async #read(name: string): Promise<{ readonly etag: string; readonly record: ModelRecord } | undefined> {
    if (!isStoredName(name)) return undefined;
    const found = await this.#health.ask(() => this.#bucket.read(recordKey(name)));
    this.#steps += 1;
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

  #list(): Promise<ListedObject[]> {
    return this.#health.ask(() => this.#bucket.list(MODELS));
  }

  async #recordOf({ name, etag }: { name: string; etag: string }): Promise<ListedRecord> {
    const seen = this.#seen.get(name);
    if (seen?.etag === etag) return { name, record: seen.record };
    try {
      return { name, record: await this.read(name) };
    } catch (thrown) {
      if (!(thrown instanceof AppError) || thrown.code !== 'model_unavailable') throw thrown;
      return { name, record: NO_RECORD, damage: thrown.message };
    }
  }
}

function recordKey(name: string): string {
  return `${MODELS}${name}.json`;
}
