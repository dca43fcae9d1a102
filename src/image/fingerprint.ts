import { createHash } from 'node:crypto';
import type { RgbImage } from './resample.ts';

/** What tells whether two images show the same. */
export interface Fingerprint {
  /** SHA-256 of size and pixels, in hex: equal for copies, whatever the file format and its metadata. */
  readonly pixelDigest: string;
  /** 64 bits in 16 hex digits; few of them change with size, compression, brightness or contrast. */
  readonly differenceHash: string;
}

const COLUMNS = 9;
const ROWS = 8;

/**
 * Takes the fingerprints of an upright decoded image. The difference hash is that of the field (dHash, N. Krawetz):
 * the image as 9 x 8 fields of mean grey, and for each pair of neighbours in a row whether the right one is brighter.
 */
export function fingerprint(image: RgbImage): Fingerprint {
  const { pixels, width, height } = image;
  const pixelDigest = createHash('sha256').update(`${width}x${height}:`).update(pixels).digest('hex');
  const fields = meanGrey(image);
  let differenceHash = '';
  for (let row = 0; row < ROWS; row++) {
    let byte = 0;
    for (let column = 0; column + 1 < COLUMNS; column++) {
      const at = row * COLUMNS + column;
      byte = byte * 2 + ((fields[at + 1] ?? 0) > (fields[at] ?? 0) ? 1 : 0);
    }
    differenceHash += byte.toString(16).padStart(2, '0');
  }
  return { pixelDigest, differenceHash };
}

/** Mean luma of each field, rounded to whole grey levels so that flat areas compare as equal. */
function meanGrey({ pixels, width, height }: RgbImage): Float64Array {
  const means = new Float64Array(COLUMNS * ROWS);
  for (let row = 0; row < ROWS; row++) {
    const [top, bottom] = range(row, ROWS, height);
    for (let column = 0; column < COLUMNS; column++) {
      const [left, right] = range(column, COLUMNS, width);
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let at = (y * width + left) * 3; at < (y * width + right) * 3; at += 3) {
          sum += 299 * (pixels[at] ?? 0) + 587 * (pixels[at + 1] ?? 0) + 114 * (pixels[at + 2] ?? 0);
        }
      }
      means[row * COLUMNS + column] = Math.round(sum / 1000 / ((bottom - top) * (right - left)));
    }
  }
  return means;
}

/** The pixels of a field; images smaller than the grid give each field one pixel. */
function range(field: number, fields: number, size: number): [from: number, to: number] {
  const from = Math.min(size - 1, Math.floor((field * size) / fields));
  return [from, Math.max(from + 1, Math.floor(((field + 1) * size) / fields))];
}
