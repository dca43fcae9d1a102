import type { MapNode, OperationOf } from '../../convert/graph/ir.ts';
import { columnSums, transposed } from './matrices.ts';

/** The sum of two maps or vectors. These are plain loops, since `map` takes several times as long. */
export function sum(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) result[i] = (a[i] as number) + (b[i] as number);
  return result;
}

/** The values above 0, and 0 for others. */
export function rectified(values: Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = Math.max(values[i] as number, 0);
  return result;
}

/** The gradient of `rectified` by its argument. @param output of `rectified` */
export function rectifiedGradient(gradient: Float32Array, output: Float32Array): Float32Array {
  const result = new Float32Array(gradient.length);
  for (let i = 0; i < gradient.length; i++) if ((output[i] as number) > 0) result[i] = gradient[i] as number;
  return result;
}

/** Adds a bias to each row or cell, in place. */
export function withBias(values: Float32Array, bias: Float32Array | undefined): Float32Array {
  if (bias === undefined) return values;
  const { length } = bias;
  for (let start = 0; start < values.length; start += length) {
    for (let i = 0; i < length; i++) values[start + i] = (values[start + i] as number) + (bias[i] as number);
  }
  return values;
}

/** Weights `[out, in, height, width]` to `[out, height, width, in]`. */
export function channelsLast(weight: Float32Array, { weight: { shape } }: OperationOf<'conv2d'>): Float32Array {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = shape;
  return eachOutput(weight, outputs, (one) => transposed(one, inputs, height * width));
}

/** The inverse of `channelsLast`. */
export function channelsFirst(weight: Float32Array, { weight: { shape } }: OperationOf<'conv2d'>): Float32Array {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = shape;
  return eachOutput(weight, outputs, (one) => transposed(one, height * width, inputs));
}

function eachOutput(values: Float32Array, count: number, change: (one: Float32Array) => Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  const size = values.length / count;
  for (let start = 0; start < values.length; start += size) {
    result.set(change(values.subarray(start, start + size)), start);
  }
  return result;
}

/** The mean of each channel of each map, `[rows, channels]`. */
export function channelMeans(maps: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  const cells = shape.height * shape.width;
  const means = new Float32Array(rows * shape.channels);
  for (let row = 0; row < rows; row++) {
    const sums = columnSums(
      maps.subarray(row * cells * shape.channels, (row + 1) * cells * shape.channels),
      shape.channels,
    );
    for (let i = 0; i < sums.length; i++) means[row * shape.channels + i] = (sums[i] as number) / cells;
  }
  return means;
}

/** The gradient of `channelMeans` by its maps, from that by the means. */
export function spreadMeans(gradient: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  const { channels } = shape;
  const cells = shape.height * shape.width;
  const maps = new Float32Array(rows * cells * channels);
  for (let row = 0; row < rows; row++) {
    const share = gradient.subarray(row * channels, (row + 1) * channels).map((value) => value / cells);
    for (let cell = 0; cell < cells; cell++) maps.set(share, (row * cells + cell) * channels);
  }
  return maps;
}

/** Joins values side by side: the channels of each cell, or the values of each row. */
export function joined(parts: readonly Float32Array[], widths: readonly number[]): Float32Array {
  const width = widths.reduce((sum, each) => sum + each, 0);
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  parts.forEach((part, index) => {
    const own = widths[index] ?? 0;
    for (let from = 0, to = offset; from < part.length; from += own, to += width) {
      result.set(part.subarray(from, from + own), to);
    }
    offset += own;
  });
  return result;
}

/** The inverse of `joined`. */
export function parted(values: Float32Array, widths: readonly number[]): Float32Array[] {
  const width = widths.reduce((sum, each) => sum + each, 0);
  let offset = 0;
  return widths.map((own) => {
    const part = new Float32Array((values.length / width) * own);
    for (let to = 0, from = offset; to < part.length; to += own, from += width) {
      part.set(values.subarray(from, from + own), to);
    }
    offset += own;
    return part;
  });
}

/** Maps `[rows, height, width, channels]` to vectors `[rows, length]`, channel by channel. */
export function flattened(maps: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  return eachOutput(maps, rows, (one) => transposed(one, shape.height * shape.width, shape.channels));
}

/** The inverse of `flattened`. */
export function unflattened(values: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  return eachOutput(values, rows, (one) => transposed(one, shape.channels, shape.height * shape.width));
}
