import { floatToHalf, halfTable } from '../../convert/formats/half.ts';
import type { ImageFacts } from '../dataset/inspected-image.ts';
import { DigestCache, type SharedRecords } from './digest-cache.ts';

/** Feature vectors in a `DigestCache`, as little-endian float32. */
export class FeatureCache {
  readonly #cache: DigestCache;

  constructor(path: string, featureSize: number, shared?: SharedRecords) {
    this.#cache = DigestCache.open(path, featureSize * Float32Array.BYTES_PER_ELEMENT, shared);
  }

  has(digest: string): boolean {
    return this.#cache.has(digest);
  }

  /** Also asks what is shared. */
  async find(digest: string): Promise<Float32Array | undefined> {
    const payload = await this.#cache.find(digest);
    // Copied, since a view must begin at a multiple of four.
    return payload && new Float32Array(new Uint8Array(payload).buffer);
  }

  put(digest: string, { buffer, byteOffset, byteLength }: Float32Array): boolean {
    return this.#cache.put(digest, new Uint8Array(buffer, byteOffset, byteLength));
  }

  close(): void {
    this.#cache.close();
  }
}

/** The largest float16: a value above it would become infinite. */
const LARGEST_HALF = 65504;

/** Maps in a `DigestCache`, as little-endian float16: they are large, and are values that a relu has bounded below. */
export class MapCache {
  readonly #cache: DigestCache;

  constructor(path: string, mapSize: number) {
    this.#cache = DigestCache.open(path, mapSize * Uint16Array.BYTES_PER_ELEMENT);
  }

  has(digest: string): boolean {
    return this.#cache.has(digest);
  }

  get(digest: string): Float32Array | undefined {
    const payload = this.#cache.get(digest);
    if (payload === undefined) return undefined;
    const halves = new Uint16Array(new Uint8Array(payload).buffer);
    const table = halfTable();
    return Float32Array.from(halves, (half) => table[half] ?? 0);
  }

  put(digest: string, map: Float32Array): boolean {
    const halves = Uint16Array.from(map, (value) => floatToHalf(Math.min(LARGEST_HALF, value)));
    return this.#cache.put(digest, new Uint8Array(halves.buffer));
  }

  close(): void {
    this.#cache.close();
  }
}

/** Facts in a `DigestCache`: width and height as 32-bit integers, then the two fingerprints and whether the end lacks. */
export class FactsCache {
  static readonly #BYTES = 4 + 4 + 32 + 16 + 1;
  readonly #cache: DigestCache;

  constructor(path: string, shared?: SharedRecords) {
    this.#cache = DigestCache.open(path, FactsCache.#BYTES, shared);
  }

  /** Also asks what is shared. */
  async find(digest: string): Promise<ImageFacts | undefined> {
    const payload = await this.#cache.find(digest);
    return (
      payload && {
        width: payload.readUInt32LE(0),
        height: payload.readUInt32LE(4),
        pixelDigest: payload.toString('hex', 8, 40),
        differenceHash: payload.toString('hex', 40, 56),
        withoutEnd: payload[56] === 1,
      }
    );
  }

  put(digest: string, { width, height, pixelDigest, differenceHash, withoutEnd }: ImageFacts): boolean {
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(width, 0);
    sizes.writeUInt32LE(height, 4);
    const fingerprints = Buffer.from(pixelDigest + differenceHash, 'hex');
    return this.#cache.put(digest, Buffer.concat([sizes, fingerprints, Uint8Array.of(Number(withoutEnd))]));
  }

  close(): void {
    this.#cache.close();
  }
}
