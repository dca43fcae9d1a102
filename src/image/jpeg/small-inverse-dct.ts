const SIDE = 8;
/** Constants have 13 bits of fraction (libjpeg's inverse DCT of a quarter of the size). */
const [ONE, THREE, FIVE, SEVEN] = [29_692, -10_426, 6_967, -5_906] as const;

/** Columns of the block that are read. */
const COLUMNS = [0, 1, 3, 5, 7] as const;

const odd = (one: number, three: number, five: number, seven: number): number =>
  Math.imul(one, ONE) + Math.imul(three, THREE) + Math.imul(five, FIVE) + Math.imul(seven, SEVEN);

/** Blocks to 2 x 2 samples each. @param samples the first row; others are `stride` after the one before */
export function smallInverseDct(
  blocks: Int16Array,
  divisors: Int16Array,
  samples: Uint8ClampedArray,
  stride: number,
): void {
  const upper = new Int32Array(SIDE);
  const lower = new Int32Array(SIDE);
  for (let at = 0, to = 0; at < blocks.length; at += 64, to += 2) {
    const value = (row: number, column: number): number => {
      const index = row * SIDE + column;
      return Math.imul(blocks[at + index] ?? 0, divisors[index] ?? 0);
    };
    for (const column of COLUMNS) {
      const even = value(0, column) << 15;
      const rest = odd(value(1, column), value(3, column), value(5, column), value(7, column));
      upper[column] = (even + rest + (1 << 12)) >> 13;
      lower[column] = (even - rest + (1 << 12)) >> 13;
    }
    for (const [line, row] of [upper, lower].entries()) {
      const even = (row[0] ?? 0) << 15;
      const rest = odd(row[1] ?? 0, row[3] ?? 0, row[5] ?? 0, row[7] ?? 0);
      samples[to + line * stride] = ((even + rest + (1 << 19)) >> 20) + 128;
      samples[to + line * stride + 1] = ((even - rest + (1 << 19)) >> 20) + 128;
    }
  }
}

/** Blocks to their mean. */
export function onePixel(blocks: Int16Array, divisors: Int16Array, samples: Uint8ClampedArray): void {
  const divisor = divisors[0] ?? 0;
  for (let at = 0, to = 0; at < blocks.length; at += 64, to += 1) {
    samples[to] = ((Math.imul(blocks[at] ?? 0, divisor) + 4) >> 3) + 128;
  }
}
