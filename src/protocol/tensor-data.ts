import { AppError } from '../common/errors.ts';
import { elementCount, type Tensor } from '../common/tensor.ts';
import { decodeBase64 } from './base64.ts';

/** Bytes before each element of a BYTES tensor in binary data: its length, little-endian. */
const LENGTH_BYTES = 4;
/** Characters of a wrong value that an error shows. */
const MAX_SHOWN_CHARACTERS = 40;

/** Data of a tensor: the `data` of its JSON, or binary data. */
export type PixelData = { readonly json: unknown } | { readonly binary: Buffer };

/**
 * Reads pixels of type UINT8 or FP32. Floats are rounded to the nearest byte, which is what the networks take. Values
 * that are not pixels are rejected rather than clipped, since a picture scaled to 0..1 or normalised would get a
 * meaningless answer.
 * @throws AppError `invalid_request`
 */
export function readPixels(data: PixelData, datatype: 'UINT8' | 'FP32', shape: readonly number[]): Tensor<Uint8Array> {
  const count = elementCount(shape);
  const values = 'binary' in data ? fromBinary(data.binary, datatype, count) : fromJson(data.json, count);
  return { data: values instanceof Uint8Array ? values : toBytes(values, datatype), shape };
}

/** @throws AppError `invalid_request` when the number of bytes is not that of the shape */
function fromBinary(bytes: Buffer, datatype: 'UINT8' | 'FP32', count: number): Uint8Array | Float32Array {
  const size = datatype === 'UINT8' ? 1 : Float32Array.BYTES_PER_ELEMENT;
  if (bytes.length !== count * size) {
    throw invalid(`The binary data have ${bytes.length} bytes; the shape of the input needs ${count * size}.`);
  }
  if (datatype === 'UINT8') return bytes;
  // Copied, since a view of floats must begin at a multiple of four.
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/**
 * The numbers of nested arrays, in order. They are counted before memory for the shape is allocated.
 * @throws AppError `invalid_request`
 */
function fromJson(json: unknown, count: number): Float64Array {
  let found = 0;
  visitNumbers(json, () => {
    found += 1;
  });
  if (found !== count) throw invalid(`The data of the input have ${found} numbers; its shape needs ${count}.`);
  const values = new Float64Array(count);
  let index = 0;
  visitNumbers(json, (value) => {
    values[index++] = value;
  });
  return values;
}

function visitNumbers(value: unknown, visit: (value: number) => void): void {
  if (typeof value === 'number') visit(value);
  else if (Array.isArray(value)) for (const each of value) visitNumbers(each, visit);
  else throw invalid(`The data of the input contain ${shown(value)}; they must be numbers.`);
}

/** A value that is no number, as an error shows it. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `the text "${value.slice(0, MAX_SHOWN_CHARACTERS)}"`;
  return value !== null && typeof value === 'object' ? 'an object' : String(value);
}

function toBytes(values: Float32Array | Float64Array, datatype: 'UINT8' | 'FP32'): Uint8Array {
  const bytes = new Uint8Array(values.length);
  let largest = 0;
  let hasFractions = false;
  // By index: an iterator would make an object for each of millions of values.
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    if (!(value >= 0 && value <= 255)) {
      throw invalid(`The input contains ${value}; pixels are 0 to 255, not scaled: the network scales them itself.`);
    }
    const byte = Math.round(value);
    bytes[index] = byte;
    if (value > largest) largest = value;
    if (byte !== value) hasFractions = true;
  }
  if (hasFractions && datatype === 'UINT8')
    throw invalid('The input is UINT8 and contains fractions; send it as FP32.');
  if (hasFractions && largest <= 1) {
    throw invalid('The input contains only values from 0 to 1; send pixels from 0 to 255: the network scales them.');
  }
  return bytes;
}

/** Files of a BYTES tensor in JSON, as base64. @throws AppError `invalid_request` */
export function filesFromJson(json: unknown, count: number): Buffer[] {
  const elements = Array.isArray(json) ? json : [json];
  const texts = elements.length > count ? elements : elements.flat(1);
  if (texts.length !== count) throw invalid(`The input has ${texts.length} files; its shape needs ${count}.`);
  return texts.map((text) => {
    const bytes = typeof text === 'string' ? decodeBase64(text) : undefined;
    if (bytes !== undefined) return bytes;
    throw invalid('A file in the data of a BYTES input must be base64 text; other files are sent as binary data.');
  });
}

/** Files of a BYTES tensor in binary data, each after its length. @throws AppError `invalid_request` */
export function filesFromBinary(bytes: Buffer, count: number): Buffer[] {
  const files: Buffer[] = [];
  let position = 0;
  while (position + LENGTH_BYTES <= bytes.length && files.length < count) {
    const start = position + LENGTH_BYTES;
    position = start + bytes.readUInt32LE(position);
    files.push(bytes.subarray(start, position));
  }
  if (files.length === count && position === bytes.length) return files;
  throw invalid(
    `The binary data of the BYTES input are not ${count} files, each after its length in ${LENGTH_BYTES} bytes, ` +
      'little-endian.',
  );
}

/** Encodes texts as the binary data of a BYTES tensor. */
export function textsToBinary(texts: readonly string[]): Buffer {
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
