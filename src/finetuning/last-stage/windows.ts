import type { MapNode } from '../../convert/graph/ir.ts';
import type { SlidingWindow } from '../../convert/graph/windows.ts';

type MapShape = MapNode['shape'];

/** A window over maps `[rows, height, width, channels]`, and the size of its output. */
export interface WindowedMaps {
  readonly rows: number;
  readonly input: MapShape;
  readonly output: MapShape;
  readonly window: SlidingWindow;
}

/** Whether each window is one cell, in order: its columns are the map itself. */
function isPointwise({ kernel, stride, padding }: SlidingWindow): boolean {
  return [...kernel, ...stride].every((size) => size === 1) && Object.values(padding).every((cells) => cells === 0);
}

/**
 * The cells under each position of a window, one position a row: `[rows * height * width, kernel cells * channels]` of
 * the output's size (im2col, Chellapilla et al. 2006). Cells of the padding are 0. A convolution is then one product
 * of matrices, and so are both of its gradients.
 */
export function windowColumns(maps: Float32Array, windowed: WindowedMaps): Float32Array {
  if (isPointwise(windowed.window)) return maps;
  const columns = new Float32Array(columnCount(windowed));
  eachStrip(windowed, (cell, column, length) => columns.set(maps.subarray(cell, cell + length), column));
  return columns;
}

/** The inverse of `windowColumns` for gradients: cells under several positions get the sum. */
export function sumOfColumns(columns: Float32Array, windowed: WindowedMaps): Float32Array {
  if (isPointwise(windowed.window)) return columns;
  const { rows, input } = windowed;
  const maps = new Float32Array(rows * input.height * input.width * input.channels);
  eachStrip(windowed, (cell, column, length) => {
    for (let i = 0; i < length; i++) maps[cell + i] = (maps[cell + i] as number) + (columns[column + i] as number);
  });
  return maps;
}

function columnCount({ rows, input, output, window: { kernel } }: WindowedMaps): number {
  return rows * output.height * output.width * kernel[0] * kernel[1] * input.channels;
}

/** Visits the cells under each row of each window that are in the map: they lie side by side in both arrays. */
function eachStrip(
  { rows, input, output, window: { kernel, stride, padding } }: WindowedMaps,
  visit: (cell: number, column: number, length: number) => void,
): void {
  const { height, width, channels } = input;
  const [kernelHeight, kernelWidth] = kernel;
  let column = 0;
  for (let row = 0; row < rows; row++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        const left = x * stride[1] - padding.left;
        const from = Math.max(0, left);
        const to = Math.min(width, left + kernelWidth);
        for (let ky = 0; ky < kernelHeight; ky++) {
          const at = y * stride[0] - padding.top + ky;
          if (at >= 0 && at < height && to > from) {
            const cell = ((row * height + at) * width + from) * channels;
            visit(cell, column + (from - left) * channels, (to - from) * channels);
          }
          column += kernelWidth * channels;
        }
      }
    }
  }
}

/** The largest value under each position, and the index of its cell, to which its gradient goes. */
export function maxPooled(maps: Float32Array, windowed: WindowedMaps): { values: Float32Array; cells: Int32Array } {
  const length = outputLength(windowed);
  const values = new Float32Array(length).fill(Number.NEGATIVE_INFINITY);
  const cells = new Int32Array(length);
  const { channels } = windowed.input;
  eachCell(windowed, (cell, out) => {
    for (let i = 0; i < channels; i++) {
      const value = maps[cell + i] as number;
      if (value > (values[out + i] as number)) {
        values[out + i] = value;
        cells[out + i] = cell + i;
      }
    }
  });
  return { values, cells };
}

/** The mean under each position; with `countPadding`, cells of the padding count as zeros. */
export function averagePooled(maps: Float32Array, windowed: WindowedMaps, countPadding: boolean): Float32Array {
  const values = new Float32Array(outputLength(windowed));
  const shares = cellShares(windowed, countPadding);
  const { channels } = windowed.input;
  eachCell(windowed, (cell, out) => {
    const share = shares[out / channels] as number;
    for (let i = 0; i < channels; i++) {
      values[out + i] = (values[out + i] as number) + (maps[cell + i] as number) * share;
    }
  });
  return values;
}

/** The gradient of `averagePooled` by its maps, from that by its values. */
export function averagePooledGradient(
  gradient: Float32Array,
  windowed: WindowedMaps,
  countPadding: boolean,
): Float32Array {
  const { rows, input } = windowed;
  const { channels } = input;
  const maps = new Float32Array(rows * input.height * input.width * channels);
  const shares = cellShares(windowed, countPadding);
  eachCell(windowed, (cell, out) => {
    const share = shares[out / channels] as number;
    for (let i = 0; i < channels; i++) {
      maps[cell + i] = (maps[cell + i] as number) + (gradient[out + i] as number) * share;
    }
  });
  return maps;
}

/** What one cell counts in the means of each position. */
function cellShares(windowed: WindowedMaps, countPadding: boolean): Float32Array {
  const [height, width] = windowed.window.kernel;
  const { channels } = windowed.input;
  const counts = new Float32Array(outputLength(windowed) / channels);
  if (countPadding) counts.fill(height * width);
  else {
    eachCell(windowed, (_, out) => {
      counts[out / channels] = (counts[out / channels] as number) + 1;
    });
  }
  return counts.map((count) => 1 / count);
}

function outputLength({ rows, output }: WindowedMaps): number {
  return rows * output.height * output.width * output.channels;
}

/** Visits each cell of the map under each position: where its channels begin, and where those of the output do. */
function eachCell(windowed: WindowedMaps, visit: (cell: number, out: number) => void): void {
  const { input, output, window } = windowed;
  const { channels } = input;
  const perPosition = window.kernel[0] * window.kernel[1] * channels;
  eachStrip(windowed, (cell, column, length) => {
    const out = Math.floor(column / perPosition) * output.channels;
    for (let i = 0; i < length; i += channels) visit(cell + i, out);
  });
}
