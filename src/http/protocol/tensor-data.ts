import { AppError } from '../../common/errors.ts';
import { elementCount, type Tensor } from '../../common/tensor.ts';

/** Bytes before each element of a BYTES tensor in binary: its length, little-endian. */
const LENGTH_BYTES = 4;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** How the numbers of a tensor of pixels came. */
export type PixelData = { readonly json: unknown } | { readonly binary: Buffer };

/**
 * Pixels sent as UINT8 or FP32. Floats are rounded to the nearest byte, which is what networks here take; values that are no
 * pixels are refused rather than clipped, since a picture that was scaled to 0..1 or normalised would be answered with
 * nonsense.
 * @throws AppError `invalid_request`
 */
export function readPixels(data: PixelData, datatype: 'UINT8' | 'FP32', shape: readonly number[]): Tensor<Uint8Array> {
  const count = elementCount(shape);
  const values = 'binary' in data ? fromBinary(data.binary, datatype, count) : fromJson(data.json, count);
  return { data: values instanceof Uint8Array ? values : toBytes(values, datatype), shape };
}

/** @throws AppError `invalid_request` when the bytes are not as many as the shape says */
function fromBinary(bytes: Buffer, datatype: 'UINT8' | 'FP32', count: number): Uint8Array | Float32Array {
  const size = datatype === 'UINT8' ? 1 : Float32Array.BYTES_PER_ELEMENT;
  if (bytes.length !== count * size) {
    throw invalid(`The binary data have ${bytes.length} bytes; the shape of the input needs ${count * size}.`);
  }
  if (datatype === 'UINT8') return bytes;
  // Copied: a view of floats must begin at a multiple of four.
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** Numbers of an array of any depth, in order. */
function fromJson(json: unknown, count: number): Float64Array {
  const values = new Float64Array(count);
  let found = 0;
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) collect(each);
    else if (typeof value === 'number') values[found++] = value;
    else throw invalid(`The data of the input hold ${JSON.stringify(value)?.slice(0, 40)}; they must be numbers.`);
  };
  collect(json);
  if (found !== count) throw invalid(`The data of the input hold ${found} numbers; its shape needs ${count}.`);
  return values;
}

function toBytes(values: Float32Array | Float64Array, datatype: 'UINT8' | 'FP32'): Uint8Array {
  const bytes = new Uint8Array(values.length);
  let largest = 0;
  let hasFractions = false;
  for (const [index, value] of values.entries()) {
    if (!(value >= 0 && value <= 255)) {
      throw invalid(`The input holds ${value}; pixels are 0 to 255, without any scaling: the network does its own.`);
    }
    bytes[index] = Math.round(value);
    largest = Math.max(largest, value);
    hasFractions ||= !Number.isInteger(value);
  }
  if (hasFractions && datatype === 'UINT8') throw invalid('The input is UINT8 and holds fractions; send it as FP32.');
  if (hasFractions && largest <= 1) {
    throw invalid(
      'The input holds nothing but values from 0 to 1; send pixels from 0 to 255: the network scales them.',
    );
  }
  return bytes;
}

/** Files in a BYTES tensor, as base64 in JSON. @throws AppError `invalid_request` */
export function bytesFromJson(json: unknown, count: number): Buffer[] {
  const texts = Array.isArray(json) ? json.flat(1) : [json];
  if (texts.length !== count) throw invalid(`The input holds ${texts.length} files; its shape says ${count}.`);
  return texts.map((text) => {
    if (typeof text !== 'string' || text.length % 4 !== 0 || !BASE64.test(text)) {
      throw invalid('A file in the data of a BYTES input must be text in base64; send it as binary data otherwise.');
    }
    return Buffer.from(text, 'base64');
  });
}

/** Files in a BYTES tensor, each behind its length. @throws AppError `invalid_request` */
export function bytesFromBinary(bytes: Buffer, count: number): Buffer[] {
  const files: Buffer[] = [];
  let position = 0;
  while (position + LENGTH_BYTES <= bytes.length && files.length < count) {
    const start = position + LENGTH_BYTES;
    position = start + bytes.readUInt32LE(position);
    files.push(bytes.subarray(start, position));
  }
  if (files.length === count && position === bytes.length) return files;
  throw invalid(
    `The binary data of the BYTES input are not ${count} files, each behind its length in ${LENGTH_BYTES} bytes, ` +
      'little-endian.',
  );
}

/** Texts as the binary data of a BYTES tensor. */
export function bytesToBinary(texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail, { context: { field: 'inputs' } });
}
