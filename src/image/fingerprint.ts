import { createHash } from 'node:crypto';
import type { RgbImage } from './resample.ts';

/** Values that show whether two images are the same, or nearly the same. */
export interface Fingerprint {
  /** SHA-256 of size and pixels, in hex: the same for lossless copies in other formats or with other metadata. */
  readonly pixelDigest: string;
  /** 128 bits in 32 hex digits, few of which change with size, compression, brightness or contrast. */
  readonly differenceHash: string;
}

const FIELDS = 8;

/**
 * Computes the fingerprint of an upright image. The difference hash is dHash (N. Krawetz) in both directions: the image
 * is divided into fields of mean grey; a bit says for each of 8 x 8 fields whether its right neighbour is brighter, and
 * another whether the lower one is. With one direction only, different objects on the same background look the same.
 */
export function fingerprint(image: RgbImage): Fingerprint {
  const { pixels, width, height } = image;
  const pixelDigest = createHash('sha256').update(`${width}x${height}:`).update(pixels).digest('hex');
  const across = rises(meanGrey(image, FIELDS + 1, FIELDS), FIELDS + 1, 1);
  const down = rises(meanGrey(image, FIELDS, FIELDS + 1), FIELDS, FIELDS);
  return { pixelDigest, differenceHash: across + down };
}

/** 8 x 8 bits in hex: whether the field `step` after each one is brighter, in a grid with this many columns. */
function rises(fields: Float64Array, columns: number, step: number): string {
  let hex = '';
  for (let row = 0; row < FIELDS; row++) {
    let byte = 0;
    for (let column = 0; column < FIELDS; column++) {
      const at = row * columns + column;
      byte = byte * 2 + ((fields[at + step] ?? 0) > (fields[at] ?? 0) ? 1 : 0);
    }
    hex += byte.toString(16).padStart(2, '0');
  }
  return hex;
}

/** Mean luma of each field, rounded to whole grey levels so that fields in flat areas are equal. */
function meanGrey({ pixels, width, height }: RgbImage, columns: number, rows: number): Float64Array {
  const means = new Float64Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    const [top, bottom] = range(row, rows, height);
    for (let column = 0; column < columns; column++) {
      const [left, right] = range(column, columns, width);
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let at = (y * width + left) * 3; at < (y * width + right) * 3; at += 3) {
          sum += 299 * (pixels[at] ?? 0) + 587 * (pixels[at + 1] ?? 0) + 114 * (pixels[at + 2] ?? 0);
        }
      }
      means[row * columns + column] = Math.round(sum / 1000 / ((bottom - top) * (right - left)));
    }
  }
  return means;
}

/** The pixels of a field, at least one: fields of images smaller than the grid share pixels. */
function range(field: number, fields: number, size: number): [from: number, to: number] {
  const from = Math.min(size - 1, Math.floor((field * size) / fields));
  return [from, Math.max(from + 1, Math.floor(((field + 1) * size) / fields))];
}
