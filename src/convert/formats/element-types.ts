import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { halfTable } from './half.ts';

/** Bytes of one element. The floating types become float32; the others are copied or skipped, but never read. */
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

/** Bytes that a tensor takes. */
export function byteLength(tensor: { readonly dtype: Dtype; readonly shape: readonly number[] }): number {
  return elementCount(tensor.shape) * ELEMENT_BYTES[tensor.dtype];
}

/** Stored values as float32. @throws ConversionError for integers, which are no weights */
export function decodeFloats(name: string, dtype: Dtype, bytes: Uint8Array): Float32Array {
  const decode = DECODERS[dtype];
  if (decode !== undefined) return decode(bytes);
  throw new ConversionError(`tensor "${name}" is ${dtype}; weights are one of ${Object.keys(DECODERS).join(', ')}`);
}

type Decoder = (bytes: Uint8Array) => Float32Array;

/**
 * All little-endian, as every processor is that Node runs on. Plain loops: `Float32Array.from` with a function walks an
 * iterator, which takes twenty times as long.
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

/** What a typed array needs to view these bytes; they are copied only where they are not aligned. */
function aligned(bytes: Uint8Array, alignment: number): [ArrayBufferLike, number, number] {
  const source = bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
  return [source.buffer, source.byteOffset, source.byteLength / alignment];
}
