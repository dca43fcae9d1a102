import { createHash } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { parseCheckedJson } from '../../../src/common/checked-json.ts';
import { type ModelRecord, modelRecordSchema, type VersionEntry } from '../../../src/registry/s3/model-record.ts';
import type { History, SeenNumber } from '../history.ts';
import type { BareBucket } from '../world/cluster.ts';
import { pause } from './client.ts';

const LOOK_EVERY_MS = 1_000;

/** Reads all that is in the bucket behind everybody's back, and computes the digest of each file once. */
export class Auditor {
  readonly #client: S3Client;
  readonly #bucket: BareBucket;
  readonly #history: History;
  /** SHA-256 and size by key and ETag. */
  readonly #digests = new Map<string, { readonly sha256: string; readonly bytes: number }>();

  constructor(client: S3Client, bucket: BareBucket, history: History) {
    this.#client = client;
    this.#bucket = bucket;
    this.#history = history;
  }

  /** Looks until the signal, and once more. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await pause(LOOK_EVERY_MS, signal);
    }
    await this.look();
  }

  async look(): Promise<void> {
    const at = this.#history.now();
    const numbers: SeenNumber[] = [];
    const aliases: { model: string; alias: string; version: number }[] = [];
    for (const key of (await this.#list('models/')).keys()) {
      const model = key.slice('models/'.length).replace(/\.json$/, '');
      const record = await this.#record(key);
      for (const [number, entry] of Object.entries(record.numbers)) {
        numbers.push(await this.#seen(key, model, number, entry));
      }
      for (const [alias, version] of Object.entries(record.aliases)) aliases.push({ model, alias, version });
    }
    this.#history.add({ type: 'audit', at, until: this.#history.now(), numbers, aliases });
  }

  async #seen(
    recordKey: string,
    model: string,
    number: string,
    entry: ModelRecord['numbers'][string],
  ): Promise<SeenNumber> {
    const known = { model, number: Number(number), damage: null };
    if ('reserved' in entry) return { ...known, state: 'reserved', key: entry.reserved };
    if ('removed' in entry) return { ...known, state: 'removed', key: null };
    const damage = await this.#damage(model, entry);
    // It may have been removed meanwhile: its files go after its entry.
    const now = damage === null ? entry : (await this.#record(recordKey)).numbers[number];
    const isThere = now !== undefined && 'folder' in now;
    return { ...known, state: 'present', key: entry.key, damage: isThere ? damage : null };
  }

  async #damage(model: string, { folder, files }: VersionEntry): Promise<string | null> {
    const prefix = `files/${model}/${folder}/`;
    const there = await this.#list(prefix);
    for (const { file, size_bytes, sha256 } of files) {
      const etag = there.get(prefix + file);
      if (etag === undefined) return `${file} is missing`;
      const found = await this.#digest(prefix + file, etag);
      if (found?.sha256 !== sha256 || found.bytes !== size_bytes) return `${file} has another digest or size`;
    }
    return null;
  }

  async #record(key: string): Promise<ModelRecord> {
    return parseCheckedJson((await this.#read(key))?.toString() ?? '', modelRecordSchema);
  }

  async #digest(key: string, etag: string): Promise<{ sha256: string; bytes: number } | undefined> {
    const known = this.#digests.get(key + etag);
    if (known !== undefined) return known;
    const bytes = await this.#read(key);
    if (bytes === undefined) return undefined;
    const digest = { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
    this.#digests.set(key + etag, digest);
    return digest;
  }

  async #read(key: string): Promise<Buffer | undefined> {
    const { bucket, prefix } = this.#bucket;
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: prefix + key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'NoSuchKey') return undefined;
      throw thrown;
    }
  }

  /** ETags by key. */
  async #list(below: string): Promise<Map<string, string>> {
    const { bucket, prefix } = this.#bucket;
    const found = new Map<string, string>();
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix + below,
          ...(token !== undefined && { ContinuationToken: token }),
        }),
      );
      for (const { Key, ETag } of page.Contents ?? []) {
        if (Key !== undefined) found.set(Key.slice(prefix.length), ETag ?? '');
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found;
  }
}
