import { closeSync, fstatSync, futimesSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { messageOf } from '../../common/errors.ts';
import type { SharedCache } from './shared-features.ts';

/** Every record begins with it, so that whole records are found behind a damaged one. */
const MAGIC = Buffer.from('\x89MGREC1\n', 'latin1');
/** Where other machines find records, and this one theirs. */
export type SharedRecords = Pick<SharedCache, 'find' | 'add'>;

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 4;
/** Bytes that are read at once to build the index. */
const SCAN_BYTES = 1 << 20;

/**
 * Values computed for images, in one file: a record per image of magic, SHA-256 of the image, payload of a fixed size
 * and CRC-32. Several processes may append to the file at the same time.
 *
 * It is a cache: the file may be deleted, cut or overwritten at any time, and the disk may be full or read-only. A
 * record that is lost or damaged is unknown; nothing here throws because of the file.
 */
export class DigestCache {
  readonly #path: string;
  readonly #payloadBytes: number;
  readonly #shared: SharedRecords | undefined;
  /** Undefined when the file cannot be opened, and once it is closed: the system gives its number to another file. */
  #file: number | undefined;
  /** Position in the file of each whole record, as far as the file was read. */
  readonly #positions = new Map<string, number>();
  /** Bytes of the file that were looked at. */
  #indexed = 0;
  #writable = true;

  private constructor(path: string, payloadBytes: number, shared: SharedRecords | undefined) {
    this.#path = path;
    this.#payloadBytes = payloadBytes;
    this.#shared = shared;
    this.#file = this.#open();
    this.#readIndex();
  }

  /**
   * Opens or creates the file and reads which images it knows.
   * @param shared gets the records that are put here, and is asked by `find`
   */
  static open(path: string, payloadBytes: number, shared?: SharedRecords): DigestCache {
    return new DigestCache(path, payloadBytes, shared);
  }

  /**
   * The payload that was in the file for a digest, given in hex, when the file was opened, or that another machine has
   * shared since; undefined if it is not there.
   */
  get(digest: string): Buffer | undefined {
    const position = this.#positions.get(digest);
    if (position === undefined) return undefined;
    const record = Buffer.alloc(this.#recordBytes);
    const bytes = this.#read(record, position);
    if (bytes === record.length && isWhole(record) && digestOf(record) === digest) {
      return record.subarray(MAGIC.length + DIGEST_BYTES, -CHECKSUM_BYTES);
    }
    this.#positions.delete(digest);
    return undefined;
  }

  /** Like `get`, else what another machine has shared; that is then put into the file, with all that comes along. */
  async find(digest: string): Promise<Buffer | undefined> {
    const known = this.get(digest);
    if (known !== undefined || this.#shared === undefined) return known;
    const shared = await this.#shared.find(digest, (records) => this.#keep(records));
    if (shared?.length === this.#payloadBytes) return shared;
    // It may have come along with another one meanwhile, also for another object with this file.
    this.#readIndex();
    return this.get(digest);
  }

  /** Whether there was a whole record of a digest when the file was opened, or another machine has shared one since. */
  has(digest: string): boolean {
    return this.#positions.has(digest);
  }

  /** Appends a record, which is found when the file is opened again. @returns whether it is in the file */
  put(digest: string, payload: Uint8Array): boolean {
    if (payload.length !== this.#payloadBytes) {
      throw new Error(`a payload of ${payload.length} bytes in a cache of ${this.#payloadBytes}`);
    }
    this.#shared?.add({ digest, payload });
    return this.#append(digest, payload);
  }

  /** Puts records into the file that are not in it. */
  #keep(records: ReadonlyMap<string, Uint8Array>): void {
    for (const [digest, payload] of records) {
      if (payload.length === this.#payloadBytes && !this.has(digest)) this.#append(digest, payload);
    }
    this.#readIndex();
  }

  #append(digest: string, payload: Uint8Array): boolean {
    if (this.#file === undefined || !this.#writable) return false;
    const content = Buffer.concat([MAGIC, Buffer.from(digest, 'hex'), payload, Buffer.alloc(CHECKSUM_BYTES)]);
    content.writeUInt32LE(crc32(content.subarray(0, -CHECKSUM_BYTES)), content.length - CHECKSUM_BYTES);
    try {
      if (writeSync(this.#file, content) === content.length) return true;
      this.#stopWriting('the disk is full');
    } catch (thrown) {
      this.#stopWriting(messageOf(thrown));
    }
    return false;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  get #recordBytes(): number {
    return MAGIC.length + DIGEST_BYTES + this.#payloadBytes + CHECKSUM_BYTES;
  }

  #open(): number | undefined {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const file = openSync(this.#path, 'a+');
      // A full cache folder loses the files first that were used longest ago.
      const now = new Date();
      futimesSync(file, now, now);
      return file;
    } catch (thrown) {
      this.#stopWriting(messageOf(thrown));
    }
    try {
      return openSync(this.#path, 'r');
    } catch {
      return undefined;
    }
  }

  #stopWriting(reason: string): void {
    this.#writable = false;
    console.warn(`features are not kept in ${this.#path}: ${reason}`);
  }

  /** Bytes that could be read; fewer than asked for at the end of the file, 0 when it cannot be read. */
  #read(target: Buffer, position: number): number {
    if (this.#file === undefined) return 0;
    try {
      return readSync(this.#file, target, 0, target.length, position);
    } catch {
      return 0;
    }
  }

  /** Bytes of the file; 0 when it cannot be read. */
  get #size(): number {
    if (this.#file === undefined) return 0;
    try {
      return fstatSync(this.#file).size;
    } catch {
      return 0;
    }
  }

  /** Looks for records in what was not looked at. */
  #readIndex(): void {
    const size = this.#size;
    if (size <= this.#indexed) return;
    const chunk = Buffer.alloc(Math.min(size - this.#indexed, SCAN_BYTES));
    let unread = Buffer.alloc(0);
    while (this.#indexed + unread.length < size) {
      const bytes = this.#read(chunk, this.#indexed + unread.length);
      if (bytes === 0) return;
      const buffer = Buffer.concat([unread, chunk.subarray(0, bytes)]);
      const scanned = this.#indexRecords(buffer, this.#indexed);
      unread = buffer.subarray(scanned);
      this.#indexed += scanned;
    }
  }

  /** Notes the whole records in a part of the file. @returns bytes that need not be looked at again */
  #indexRecords(buffer: Buffer, position: number): number {
    let at = 0;
    for (;;) {
      const found = buffer.indexOf(MAGIC, at);
      if (found < 0) return Math.max(at, buffer.length - MAGIC.length + 1);
      if (found + this.#recordBytes > buffer.length) return found;
      const record = buffer.subarray(found, found + this.#recordBytes);
      const whole = isWhole(record);
      if (whole) this.#positions.set(digestOf(record), position + found);
      at = found + (whole ? record.length : 1);
    }
  }
}

function isWhole(record: Buffer): boolean {
  const end = record.length - CHECKSUM_BYTES;
  return record.subarray(0, MAGIC.length).equals(MAGIC) && crc32(record.subarray(0, end)) === record.readUInt32LE(end);
}

function digestOf(record: Buffer): string {
  return record.toString('hex', MAGIC.length, MAGIC.length + DIGEST_BYTES);
}
