import { join } from 'node:path';
import { elementCount } from '../../../common/tensor.ts';
import { progressOver, type Weight } from '../../graph/tensors.ts';
import { bytesOf, FileSink, type WrittenFile } from '../file-sink.ts';
import { floatToHalf } from '../half.ts';

/** Element types of stored kernels. Vectors, which are small and sensitive, are always float32. */
export const WEIGHT_STORAGES = ['float32', 'float16', 'uint8'] as const;
export type WeightStorage = (typeof WEIGHT_STORAGES)[number];

/** Shard size of TensorFlow's converter. Browsers cache files of this size. */
const SHARD_BYTES = 4 * 2 ** 20;

/** An entry of TF.js's weights manifest: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts */
interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32';
  readonly quantization?:
    | { readonly dtype: 'float16'; readonly original_dtype: 'float32' }
    | { readonly dtype: 'uint8'; readonly original_dtype: 'float32'; readonly min: number; readonly scale: number };
}

export interface WrittenWeights {
  readonly entries: readonly WeightEntry[];
  readonly shards: readonly WrittenFile[];
}

/** Writes weights one after the other to `group1-shard<i>of<n>.bin` in a folder. */
export async function writeWeights(
  weights: readonly Weight[],
  folder: string,
  storage: WeightStorage,
  onProgress: (fraction: number) => void,
): Promise<WrittenWeights> {
  const total = weights.reduce((sum, weight) => sum + storedBytes(weight, storage), 0);
  const count = Math.max(Math.ceil(total / SHARD_BYTES), 1);
  const shards = new ShardWriter((index) => join(folder, `group1-shard${index + 1}of${count}.bin`));
  const onWritten = progressOver(weights, onProgress);
  const entries: WeightEntry[] = [];
  for (const weight of weights) {
    const { name, shape } = weight;
    const stored = store(await weight.read(), storageOf(weight, storage));
    entries.push({ name, shape, dtype: 'float32', ...stored.quantization });
    await shards.write(stored.bytes);
    onWritten(weight);
  }
  return { entries, shards: await shards.finish() };
}

interface Stored {
  readonly bytes: Uint8Array;
  readonly quantization?: Pick<Required<WeightEntry>, 'quantization'>;
}

function store(values: Float32Array, storage: WeightStorage): Stored {
  switch (storage) {
    case 'float32':
      return { bytes: bytesOf(values) };
    case 'float16':
      return {
        bytes: bytesOf(halvesOf(values)),
        quantization: { quantization: { dtype: 'float16', original_dtype: 'float32' } },
      };
    case 'uint8':
      return quantized(values);
  }
}

function halvesOf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < values.length; index += 1) halves[index] = floatToHalf(values[index] ?? 0);
  return halves;
}

/** Affine quantization, `q * scale + min`, in which zero is represented exactly. */
function quantized(values: Float32Array): Stored {
  let [low, high] = [0, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const scale = high > low ? (high - low) / 255 : 1;
  const zero = Math.round(-low / scale);
  // A Uint8ClampedArray rounds to the nearest integer, ties to even, and clips to 0..255.
  const bytes = new Uint8ClampedArray(values.length);
  for (let index = 0; index < values.length; index += 1) bytes[index] = (values[index] ?? 0) / scale + zero;
  return {
    bytes: bytesOf(bytes),
    quantization: { quantization: { dtype: 'uint8', original_dtype: 'float32', min: -zero * scale, scale } },
  };
}

/**
 * With 8 bits a tensor has one scale, but the channels of a depthwise kernel with a folded batch norm differ widely,
 * so the small ones would be lost. These kernels are a few percent of a network and stay float32.
 */
function storageOf({ name, shape }: Weight, storage: WeightStorage): WeightStorage {
  const fragile = storage === 'uint8' && name.endsWith('/depthwise_kernel');
  return shape.length > 1 && !fragile ? storage : 'float32';
}

function storedBytes(weight: Weight, storage: WeightStorage): number {
  return elementCount(weight.shape) * { float32: 4, float16: 2, uint8: 1 }[storageOf(weight, storage)];
}

/** Writes a stream of bytes to files of the shard size. */
class ShardWriter {
  readonly #pathOf: (index: number) => string;
  readonly #finished: WrittenFile[] = [];
  #current: FileSink | undefined;

  constructor(pathOf: (index: number) => string) {
    this.#pathOf = pathOf;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let position = 0;
    while (position < bytes.length) {
      this.#current ??= await FileSink.create(this.#pathOf(this.#finished.length));
      const part = bytes.subarray(position, position + SHARD_BYTES - this.#current.size);
      await this.#current.write(part);
      position += part.length;
      if (this.#current.size === SHARD_BYTES) await this.#close();
    }
  }

  async finish(): Promise<readonly WrittenFile[]> {
    await this.#close();
    return this.#finished;
  }

  async #close(): Promise<void> {
    if (this.#current === undefined) return;
    this.#finished.push(await this.#current.finish());
    this.#current = undefined;
  }
}
