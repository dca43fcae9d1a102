import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SafetensorsFile } from '../../../../src/convert/formats/safetensors/reader.ts';

describe('reading', () => {
  test.each([
    ['F32', [4], Float32Array.of(1, -2, 0.5, 1e-8)],
    ['F64', [2, 2], Float64Array.of(1, -2, 0.5, 1e-8)],
    ['F16', [4], Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x0000)],
    ['BF16', [4], Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x0000)],
  ])('%s becomes float32', async (dtype, shape, stored) => {
    const file = await SafetensorsFile.parse(
      fileOf({ x: { dtype, shape, data_offsets: [0, stored.byteLength] } }, stored),
    );
    expect(file.shape('x')).toEqual(shape);
    const [one, two, half, tiny] = await file.read('x');
    expect([one, two, half]).toEqual([1, -2, 0.5]);
    expect(tiny).toBeCloseTo(0, 7);
  });

  test('tensors need not be aligned', async () => {
    const bytes = new Uint8Array([7, ...new Uint8Array(Float32Array.of(3).buffer)]);
    const header = {
      flag: { dtype: 'BOOL', shape: [], data_offsets: [0, 1] },
      x: { dtype: 'F32', shape: [1], data_offsets: [1, 5] },
    };
    const file = await SafetensorsFile.parse(fileOf(header, bytes));
    expect(await file.read('x')).toEqual(Float32Array.of(3));
  });

  test('empty tensors are read', async () => {
    const file = await SafetensorsFile.parse(fileOf({ x: { dtype: 'F32', shape: [0, 3], data_offsets: [0, 0] } }));
    expect(await file.read('x')).toEqual(new Float32Array(0));
  });

  test('metadata is not a tensor', async () => {
    const file = await SafetensorsFile.parse(fileOf({ __metadata__: { format: 'pt' } }));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect([...file.names()]).toEqual([]);
  });

  test('integers are refused', async () => {
    const file = await SafetensorsFile.parse(
      fileOf({ n: { dtype: 'I64', shape: [], data_offsets: [0, 8] } }, new Uint8Array(8)),
    );
    await expect(file.read('n')).rejects.toThrow('tensor "n" has type I64; weights must be one of');
  });

  test('the error for a missing tensor names it', async () => {
    const file = await SafetensorsFile.parse(fileOf({}));
    expect(file.shape('x')).toBeUndefined();
    await expect(file.read('x')).rejects.toThrow('there is no tensor "x"');
  });
});

describe('a damaged file is refused with the reason', () => {
  const four = new Uint8Array(4);
  const x = (entry: object) => ({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...entry } });

  test.each<[string, Uint8Array, string]>([
    ['empty', new Uint8Array(0), '0 bytes are too few'],
    ['a length that exceeds the limit', lengthOnly(2n ** 63n), 'at most 100000000 are allowed'],
    ['a length that exceeds the file', lengthOnly(64n), 'the file has only 8'],
    ['a header that is not text', raw(Uint8Array.of(0xff, 0xfe)), 'not UTF-8'],
    ['a header that is not JSON', raw(Buffer.from('{')), 'not JSON'],
    ['a header that is not an object', raw(Buffer.from('[]')), 'not a JSON object'],
    ['an entry without shape', fileOf({ x: { dtype: 'F32', data_offsets: [0, 4] } }, four), 'shape'],
    ['a negative size', fileOf(x({ shape: [-1] }), four), 'tensor "x"'],
    ['an unknown type', fileOf(x({ dtype: 'F4' }), four), 'unknown type "F4"'],
    ['a shape that does not fit the offsets', fileOf(x({ shape: [2] }), four), 'shape [2]) needs 8 bytes'],
    ['offsets out of order', fileOf(x({ data_offsets: [4, 0] }), four), 'hold -4'],
    ['a gap before a tensor', fileOf(x({ data_offsets: [4, 8] }), new Uint8Array(8)), 'where the one before it ends'],
    ['bytes after the last tensor', fileOf(x({}), new Uint8Array(5)), 'the tensors end at'],
    ['data that is cut off', fileOf(x({}), new Uint8Array(3)), 'but the file has'],
    ['metadata that is not text', fileOf({ __metadata__: { epochs: 3 } }), 'not an object of strings'],
    [
      'two overlapping tensors',
      fileOf({ ...x({}), y: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, four),
      'tensor "y" begins',
    ],
    [
      'a tensor listed twice',
      raw(
        Buffer.from(
          '{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
        ),
      ),
      'lists tensor "x" twice',
    ],
  ])('%s', async (_, bytes, message) => {
    await expect(SafetensorsFile.parse(bytes)).rejects.toThrow(message);
  });
});

describe('on disk', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'menagerie-safetensors-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('a file has the same tensors as its bytes', async () => {
    const path = join(folder, 'x.safetensors');
    const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    await writeFile(path, fileOf({ x: entry }, Float32Array.of(1, 2)));
    const file = await SafetensorsFile.open(path);
    expect(await file.read('x')).toEqual(Float32Array.of(1, 2));
    await file.close();
  });
});

function fileOf(header: object, data: ArrayBufferView = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([raw(Buffer.from(JSON.stringify(header))), bytes]);
}

function raw(header: Uint8Array): Uint8Array {
  return Buffer.concat([lengthOnly(BigInt(header.length)), header]);
}

function lengthOnly(length: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}
