import { elementCount } from '../../../common/tensor.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { type Dtype, elementBytes } from '../element-types.ts';
import { shown } from './shown.ts';

/** PyTorch itself stops at 64; weights of networks end at 5. */
const MAX_DIMENSIONS = 16;

/** Values of one type in a row, which tensors view. */
export class Storage {
  readonly key: string;
  readonly dtype: Dtype;
  /** Elements. */
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

/** A tensor as PyTorch has it: a storage, where in it the tensor begins, and its strides; all in elements. */
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

/** A tensor of PyTorch's first releases, between its making and its filling. */
export class UnsetTensor {
  view: TensorView | undefined;
}

/** A view that is known to lie in its storage. @throws ConversionError when it does not */
export function viewOf(storage: unknown, offset: unknown, sizes: unknown, strides: unknown): TensorView {
  if (!(storage instanceof Storage)) throw new ConversionError('a tensor without a storage');
  const [shape, steps] = [expectSizes(sizes), expectSizes(strides)];
  if (!isSize(offset) || shape.length !== steps.length || shape.length > MAX_DIMENSIONS) {
    throw new ConversionError(`a tensor of shape [${shape}] with offset ${shown(offset)} and strides [${steps}]`);
  }
  const view = new TensorView(storage, offset, shape, steps);
  // A tensor that repeats its storage could be of any size, and none that was trained does.
  if (endOf(view) > storage.length || elementCount(shape) > storage.length) {
    throw new ConversionError(
      `a tensor of shape [${shape}] with offset ${offset} and strides [${steps}] is not within its storage of ${storage.length} elements`,
    );
  }
  return view;
}

/** The values of a view in row-major order, out of its storage, which begins at byte `begin` of the file. */
export async function readView(view: TensorView, bytes: ByteSource, begin: number): Promise<Uint8Array> {
  const width = elementBytes(view.dtype);
  const count = elementCount(view.shape);
  const from = begin + view.offset * width;
  if (count === 0) return new Uint8Array(0);
  const covered = await bytes.read(from, begin + endOf(view) * width);
  return isContiguous(view) ? covered : gathered(view, covered, count, width);
}

/** Walks a view as an odometer turns: the last dimension fastest. */
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

/** The element of the storage behind the view's last. */
function endOf({ offset, shape, strides }: TensorView): number {
  if (elementCount(shape) === 0) return offset;
  return shape.reduce((end, size, axis) => end + (size - 1) * (strides[axis] ?? 0), offset + 1);
}

function expectSizes(value: unknown): number[] {
  if (Array.isArray(value) && value.every(isSize)) return value;
  throw new ConversionError('a tensor whose sizes or strides are not whole numbers from 0');
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
