import { elementCount } from '../../../common/tensor.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { type Dtype, elementBytes } from '../element-types.ts';
import { shown } from './pickle-machine.ts';

/** PyTorch's own limit is 64; weights of networks have 5 at most. */
const MAX_DIMENSIONS = 16;

/** A sequence of values of one type, which tensors view. */
export class Storage {
  readonly key: string;
  readonly dtype: Dtype;
  /** Number of elements. */
  readonly length: number;

  constructor(key: string, dtype: Dtype, length: number) {
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }

  get byteLength(): number {
    return this.length * elementBytes(this.dtype);
  }
}

/** A tensor as PyTorch stores it: a storage, and offset, shape and strides in elements. */
export class TensorView {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  get dtype(): Dtype {
    return this.storage.dtype;
  }
}

/** A tensor in files of the first PyTorch releases, which is created before its storage is set. */
export class UnsetTensor {
  view: TensorView | undefined;
}

/** Creates a view. @throws ConversionError when it is not within its storage */
export function viewOf(storage: unknown, offset: unknown, sizes: unknown, strides: unknown): TensorView {
  if (!(storage instanceof Storage)) throw new ConversionError('a tensor has no storage');
  const [shape, steps] = [expectSizes(sizes), expectSizes(strides)];
  if (!isSize(offset) || shape.length !== steps.length || shape.length > MAX_DIMENSIONS) {
    throw new ConversionError(
      `a tensor has shape [${shape}], offset ${shown(offset)} and strides [${steps}], which is not valid`,
    );
  }
  const view = new TensorView(storage, offset, shape, steps);
  // A tensor that repeats values of its storage could have any size; trained tensors do not.
  if (endOf(view) > storage.length || elementCount(shape) > storage.length) {
    throw new ConversionError(
      `a tensor of shape [${shape}] with offset ${offset} and strides [${steps}] ` +
        `is not within its storage of ${storage.length} elements`,
    );
  }
  return view;
}

/** Reads the values of a view in row-major order. @param begin byte offset of its storage in the file */
export async function readView(view: TensorView, bytes: ByteSource, begin: number): Promise<Uint8Array> {
  const width = elementBytes(view.dtype);
  const count = elementCount(view.shape);
  const from = begin + view.offset * width;
  if (count === 0) return new Uint8Array(0);
  const covered = await bytes.read(from, begin + endOf(view) * width);
  return isContiguous(view) ? covered : gathered(view, covered, count, width);
}

/** Copies the values of a view in row-major order, with the last dimension fastest. */
function gathered({ shape, strides }: TensorView, source: Uint8Array, count: number, width: number): Uint8Array {
  const values = new Uint8Array(count * width);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let element = 0; element < count; element += 1) {
    for (let byte = 0; byte < width; byte += 1) values[element * width + byte] = source[position * width + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const [at, size, stride] = [(index[axis] ?? 0) + 1, shape[axis] ?? 0, strides[axis] ?? 0];
      position += stride;
      if (at < size) {
        index[axis] = at;
        break;
      }
      position -= size * stride;
      index[axis] = 0;
    }
  }
  return values;
}

function isContiguous({ shape, strides }: TensorView): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis] ?? 0;
  }
  return true;
}

/** The index after the last element of the view in its storage. */
function endOf({ offset, shape, strides }: TensorView): number {
  if (elementCount(shape) === 0) return offset;
  return shape.reduce((end, size, axis) => end + (size - 1) * (strides[axis] ?? 0), offset + 1);
}

function expectSizes(value: unknown): number[] {
  if (Array.isArray(value) && value.every(isSize)) return value;
  throw new ConversionError('a tensor has sizes or strides that are not integers of at least 0');
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
