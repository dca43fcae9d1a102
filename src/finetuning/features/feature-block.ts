import { createHash } from 'node:crypto';

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32;
/** Bytes of each digest in the head of a block: enough to know which of many blocks may have a record. */
const SHORT_BYTES = 8;
const NAME = /^(\d{1,7})-([0-9a-f]{64})$/;

/** A value that was computed for an image. */
export interface CachedRecord {
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly payload: Uint8Array;
}

/** Records in one piece: the beginnings of all digests, then digest and payload of each. */
export interface FeatureBlock {
  /** Number of records and SHA-256 of the content. */
  readonly name: string;
  readonly content: Buffer;
}

/** Joins records, whose payloads have one size. */
export function encodeBlock(records: readonly CachedRecord[]): FeatureBlock {
  const digests = records.map(({ digest }) => Buffer.from(digest, 'hex'));
  const heads = digests.map((digest) => digest.subarray(0, SHORT_BYTES));
  const bodies = records.flatMap(({ payload }, index) => [digests[index] ?? new Uint8Array(), payload]);
  const content = Buffer.concat([...heads, ...bodies]);
  return { name: `${records.length}-${sha256(content)}`, content };
}

/** Bytes of the head of a block, which says what the block has; undefined when it is not the name of a block. */
export function headBytes(name: string): number | undefined {
  const [, count] = NAME.exec(name) ?? [];
  return count === undefined || Number(count) === 0 ? undefined : Number(count) * SHORT_BYTES;
}

/** The beginnings of the digests in a head, in hex. */
export function digestsIn(head: Buffer): string[] {
  return Array.from({ length: Math.floor(head.length / SHORT_BYTES) }, (_, index) =>
    head.toString('hex', index * SHORT_BYTES, (index + 1) * SHORT_BYTES),
  );
}

/** The beginning of a digest, as a head has it. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 2 * SHORT_BYTES);
}

/** The payloads in a block by digest; undefined when it is damaged: its content is not what the name says. */
export function decodeBlock({ name, content }: FeatureBlock): Map<string, Buffer> | undefined {
  const [, count, digest] = NAME.exec(name) ?? [];
  if (digest !== sha256(content)) return undefined;
  const body = content.subarray(headBytes(name));
  const recordBytes = body.length / Number(count);
  return new Map(
    Array.from({ length: Number(count) }, (_, index) => {
      const record = body.subarray(index * recordBytes, (index + 1) * recordBytes);
      return [record.toString('hex', 0, DIGEST_BYTES), record.subarray(DIGEST_BYTES)];
    }),
  );
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
