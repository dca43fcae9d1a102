import type { Weight } from '../../graph/tensors.ts';
import type { Pair } from '../../graph/windows.ts';
import { transpose } from '../tfjs/kernels.ts';

/** Conversions from the layout of TensorFlow's weights to PyTorch's, which is that of the layer graph. */

/** The map before a flatten: Keras flattens it cell by cell, the layer graph channel by channel. */
export interface FlattenedMap {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Converts a convolution's `[height, width, in, out]` to `[out, in, height, width]`. */
export function convolutionWeight(name: string, kernel: Weight): Weight {
  const [height = 0, width = 0, entering = 0, out = 0] = kernel.shape;
  const area = height * width;
  return {
    name,
    shape: [out, entering, height, width],
    read: async () => {
      const rows = transpose(await kernel.read(), area * entering, out);
      return eachRow(rows, out, (row) => transpose(row, area, entering));
    },
  };
}

/** A kernel with zeros between its cells does what a dilated one does. Both begin with height and width. */
export function dilatedKernel(kernel: Weight, [rows, columns]: Pair): Weight {
  if (rows === 1 && columns === 1) return kernel;
  const [height = 0, width = 0, ...rest] = kernel.shape;
  const [tall, wide] = [rows * (height - 1) + 1, columns * (width - 1) + 1];
  const read = async () => {
    const values = await kernel.read();
    const cell = values.length / (height * width);
    const dilated = new Float32Array(tall * wide * cell);
    for (let index = 0; index < height * width; index += 1) {
      const target = rows * Math.floor(index / width) * wide + columns * (index % width);
      dilated.set(values.subarray(index * cell, (index + 1) * cell), target * cell);
    }
    return dilated;
  };
  return { name: kernel.name, shape: [tall, wide, ...rest], read };
}

/** Converts a depthwise `[height, width, channels, multiplier]` to `[channels * multiplier, 1, height, width]`. */
export function depthwiseWeight(name: string, kernel: Weight): Weight {
  const [height = 0, width = 0, channels = 0, multiplier = 0] = kernel.shape;
  return {
    name,
    shape: [channels * multiplier, 1, height, width],
    read: async () => transpose(await kernel.read(), height * width, channels * multiplier),
  };
}

/** Converts a dense layer's `[in, out]`, or a 1x1 convolution's `[1, 1, in, out]`, to `[out, in]`. */
export function denseWeight(name: string, kernel: Weight, flattened?: FlattenedMap): Weight {
  const [entering = 0, out = 0] = kernel.shape.slice(-2);
  return {
    name,
    shape: [out, entering],
    read: async () => {
      const rows = transpose(await kernel.read(), entering, out);
      return flattened === undefined ? rows : eachRow(rows, out, (row) => channelByChannel(row, flattened));
    },
  };
}

/** A vector of a batch norm, reordered when it applies to a flattened map. */
export function vectorWeight(name: string, vector: Weight, flattened?: FlattenedMap): Weight {
  const read = async () => {
    const values = await vector.read();
    return flattened === undefined ? values : channelByChannel(values, flattened);
  };
  return { name, shape: vector.shape, read };
}

/** A vector of equal values. */
export function constantWeight(name: string, length: number, value: number): Weight {
  return { name, shape: [length], read: async () => new Float32Array(length).fill(value) };
}

function channelByChannel(values: Float32Array, { height, width, channels }: FlattenedMap): Float32Array {
  return transpose(values, height * width, channels);
}

function eachRow(values: Float32Array, rows: number, make: (row: Float32Array) => Float32Array): Float32Array {
  const made = new Float32Array(values.length);
  const length = values.length / rows;
  for (let row = 0; row < rows; row += 1) {
    made.set(make(values.subarray(row * length, (row + 1) * length)), row * length);
  }
  return made;
}
