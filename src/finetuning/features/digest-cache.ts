import { closeSync, fstatSync, ftruncateSync, futimesSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Bytes of a SHA-256. */
const KEY_BYTES = 32;
/** Bytes that are read at once to build the index. */
const SCAN_BYTES = 1 << 20;

/**
 * What was computed of images before, in one file: a record each of the image's SHA-256 and a payload of fixed size.
 * Records are only ever appended, so that a process killed while it writes loses its last record at most.
 */
export class DigestCache {
  readonly #file: number;
  readonly #payloadBytes: number;
  /** Position of each record in the file. */
  readonly #positions = new Map<string, number>();
  #end = 0;

  private constructor(file: number, payloadBytes: number) {
    this.#file = file;
    this.#payloadBytes = payloadBytes;
  }

  /** Opens or creates the file, drops a record that was cut short, and reads which images it knows. */
  static open(path: string, payloadBytes: number): DigestCache {
    mkdirSync(dirname(path), { recursive: true });
    const cache = new DigestCache(openSync(path, 'a+'), payloadBytes);
    cache.#readIndex();
    // Of a full cache folder those files go first that were used longest ago.
    const now = new Date();
    futimesSync(cache.#file, now, now);
    return cache;
  }

  /** The payload kept for a digest, given in hex; undefined when there is none. */
  get(digest: string): Buffer | undefined {
    const position = this.#positions.get(digest);
    if (position === undefined) return undefined;
    const record = Buffer.alloc(KEY_BYTES + this.#payloadBytes);
    readSync(this.#file, record, 0, record.length, position);
    // Another process that appends at the same time moves what comes after: such a record counts as unknown.
    return record.toString('hex', 0, KEY_BYTES) === digest ? record.subarray(KEY_BYTES) : undefined;
  }

  put(digest: string, payload: Uint8Array): void {
    if (payload.length !== this.#payloadBytes) {
      throw new Error(`a payload of ${payload.length} bytes in a cache of ${this.#payloadBytes}`);
    }
    if (this.#positions.has(digest)) return;
    writeSync(this.#file, Buffer.concat([Buffer.from(digest, 'hex'), payload]));
    this.#positions.set(digest, this.#end);
    this.#end += KEY_BYTES + this.#payloadBytes;
  }

  close(): void {
    closeSync(this.#file);
  }

  #readIndex(): void {
    const recordBytes = KEY_BYTES + this.#payloadBytes;
    const records = Math.floor(fstatSync(this.#file).size / recordBytes);
    this.#end = records * recordBytes;
    ftruncateSync(this.#file, this.#end);
    const perScan = Math.max(1, Math.floor(SCAN_BYTES / recordBytes));
    const buffer = Buffer.alloc(perScan * recordBytes);
    for (let first = 0; first < records; first += perScan) {
      const count = Math.min(perScan, records - first);
      readSync(this.#file, buffer, 0, count * recordBytes, first * recordBytes);
      for (let record = 0; record < count; record++) {
        const at = record * recordBytes;
        const digest = buffer.toString('hex', at, at + KEY_BYTES);
        this.#positions.set(digest, (first + record) * recordBytes);
      }
    }
  }
}
