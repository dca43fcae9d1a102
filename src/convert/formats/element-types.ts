import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { halfTable } from './half.ts';

/** Bytes per element. Floating-point types are converted to float32; the others can only be copied or skipped. */
const ELEMENT_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** Element types of stored tensors, by their safetensors names. */
export type Dtype = keyof typeof ELEMENT_BYTES;

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(ELEMENT_BYTES, name);
}

export function elementBytes(dtype: Dtype): number {
  return ELEMENT_BYTES[dtype];
}

/** Size of a tensor in bytes. */
export function byteLength(tensor: { readonly dtype: Dtype; readonly shape: readonly number[] }): number {
  return elementCount(tensor.shape) * ELEMENT_BYTES[tensor.dtype];
}

/** Converts stored values to float32. @throws ConversionError when they are integers */
export function decodeFloats(name: string, dtype: Dtype, bytes: Uint8Array): Float32Array {
  const decode = DECODERS[dtype];
  if (decode !== undefined) return decode(bytes);
  throw new ConversionError(
    `tensor "${name}" has type ${dtype}; weights must be one of ${Object.keys(DECODERS).join(', ')}`,
  );
}

type Decoder = (bytes: Uint8Array) => Float32Array;

/**
 * All types are little-endian, like the processors that Node supports. These are plain loops because
 * `Float32Array.from` with a function uses an iterator, which takes twenty times as long.
 */
const DECODERS: Readonly<Partial<Record<Dtype, Decoder>>> = {
  F32: (bytes) => new Float32Array(...aligned(bytes, 4)),
  F64: (bytes) => new Float32Array(new Float64Array(...aligned(bytes, 8))),
  F16: (bytes) => {
    const halves = new Uint16Array(...aligned(bytes, 2));
    const table = halfTable();
    const values = new Float32Array(halves.length);
    for (let index = 0; index < halves.length; index += 1) values[index] = table[halves[index] ?? 0] ?? 0;
    return values;
  },
  // A bfloat16 is the upper half of a float32.
  BF16: (bytes) => {
    const halves = new Uint16Array(...aligned(bytes, 2));
    const words = new Uint32Array(halves.length);
    for (let index = 0; index < halves.length; index += 1) words[index] = (halves[index] ?? 0) << 16;
    return new Float32Array(words.buffer);
  },
};

/** Arguments for a typed array that views these bytes. They are copied only when they are not aligned. */
function aligned(bytes: Uint8Array, alignment: number): [ArrayBufferLike, number, number] {
  const source = bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
  return [source.buffer, source.byteOffset, source.byteLength / alignment];
}
