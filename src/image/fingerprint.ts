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
  const grey = new GreyCells(image);
  const across = rises(grey.means(FIELDS + 1, FIELDS), FIELDS + 1, 1);
  const down = rises(grey.means(FIELDS, FIELDS + 1), FIELDS, FIELDS);
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

/** Sums of luma between the borders of the fields of both grids, so that the pixels are read once. */
class GreyCells {
  readonly #columns: readonly number[];
  readonly #rows: readonly number[];
  readonly #sums: readonly Float64Array[];

  constructor(image: RgbImage) {
    this.#columns = borders(image.width);
    this.#rows = borders(image.height);
    this.#sums = this.#rows.slice(1).map((bottom, row) => lumaOf(image, this.#rows[row] ?? 0, bottom, this.#columns));
  }

  /** Mean luma of each field, rounded to whole grey levels so that fields in flat areas are equal. */
  means(columns: number, rows: number): Float64Array {
    const means = new Float64Array(columns * rows);
    const [width, height] = [this.#columns.at(-1) ?? 0, this.#rows.at(-1) ?? 0];
    for (let row = 0; row < rows; row++) {
      const [top, bottom] = range(row, rows, height);
      const lines = this.#sums.slice(this.#rows.indexOf(top), this.#rows.indexOf(bottom));
      for (let column = 0; column < columns; column++) {
        const [left, right] = range(column, columns, width);
        const [from, to] = [this.#columns.indexOf(left), this.#columns.indexOf(right)];
        const sum = lines.reduce((all, line) => line.subarray(from, to).reduce((some, each) => some + each, all), 0);
        means[row * columns + column] = Math.round(sum / 1000 / ((bottom - top) * (right - left)));
      }
    }
    return means;
  }
}

/** Where fields of either grid begin and end along a side, ascending. */
function borders(size: number): number[] {
  const all = [FIELDS, FIELDS + 1].flatMap((fields) =>
    Array.from({ length: fields }, (_, field) => range(field, fields, size)).flat(),
  );
  return [...new Set([0, size, ...all])].sort((a, b) => a - b);
}

/** Sums of 1000 times the luma (ITU-R BT.601) of rows, from each of the columns to the next. */
function lumaOf({ pixels, width }: RgbImage, top: number, bottom: number, columns: readonly number[]): Float64Array {
  const sums = new Float64Array(columns.length - 1);
  for (let y = top; y < bottom; y++) {
    for (let column = 0; column < sums.length; column++) {
      const end = (y * width + (columns[column + 1] ?? 0)) * 3;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let at = (y * width + (columns[column] ?? 0)) * 3; at < end; at += 3) {
        red += pixels[at] ?? 0;
        green += pixels[at + 1] ?? 0;
        blue += pixels[at + 2] ?? 0;
      }
      sums[column] = (sums[column] ?? 0) + 299 * red + 587 * green + 114 * blue;
    }
  }
  return sums;
}

/** The pixels of a field, at least one: fields of images smaller than the grid share pixels. */
function range(field: number, fields: number, size: number): [from: number, to: number] {
  const from = Math.min(size - 1, Math.floor((field * size) / fields));
  return [from, Math.max(from + 1, Math.floor(((field + 1) * size) / fields))];
}
