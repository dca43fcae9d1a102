/** A picture with what is needed to find others like it. */
export interface Hashed {
  /** Difference hash of 64 bits in 16 hex digits. */
  readonly differenceHash: string;
  /** Pictures with one digest are exact copies, which are reported apart. */
  readonly pixelDigest: string;
}

/** Up to three of 64 bits: another size, compression or brightness of one photo, seldom another photo. */
const MAX_DISTANCE = 3;
/** With three bits wrong at most, one of four bands of 16 bits is right: only pictures that share a band are compared. */
const BANDS = 4;
/** Flat drawings crowd into a few bands; beyond this the search would cost more than it tells. */
const MAX_COMPARISONS = 20_000_000;

/**
 * Finds pairs of pictures that look alike: difference hashes that differ in three bits at most. Of exact copies only
 * the first takes part.
 * @param limit where to stop
 */
export function nearDuplicates<T extends Hashed>(images: readonly T[], limit: number): [T, T][] {
  const seen = new Set<string>();
  const pictures = images.filter(({ pixelDigest }) => seen.size < seen.add(pixelDigest).size);
  const hashes = pictures.map(({ differenceHash }) => words(differenceHash));
  const found = new Map<string, [T, T]>();
  let comparisons = 0;
  for (let band = 0; band < BANDS; band++) {
    const buckets = new Map<string, number[]>();
    for (const [index, { differenceHash }] of pictures.entries()) {
      const key = differenceHash.slice(band * 4, band * 4 + 4);
      const bucket = buckets.get(key) ?? [];
      buckets.set(key, bucket);
      for (const other of bucket) {
        comparisons += 1;
        if (comparisons > MAX_COMPARISONS || found.size >= limit) return [...found.values()];
        const [a, b] = [pictures[other], pictures[index]];
        if (a === undefined || b === undefined || distance(hashes[other], hashes[index]) > MAX_DISTANCE) continue;
        found.set(`${other},${index}`, [a, b]);
      }
      bucket.push(index);
    }
  }
  return [...found.values()];
}

type Words = readonly [high: number, low: number];

function words(hash: string): Words {
  return [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
}

function distance(a: Words = [0, 0], b: Words = [0, 0]): number {
  return ones(a[0] ^ b[0]) + ones(a[1] ^ b[1]);
}

/** Set bits of a 32-bit integer, by adding neighbours in parallel. */
function ones(value: number): number {
  let bits = value - ((value >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
