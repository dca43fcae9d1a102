import { mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decode, encode } from '../../../../src/common/protobuf.ts';
import { modelProto, type TensorProto } from '../../../../src/convert/formats/onnx/proto.ts';
import { readOnnxFile } from '../../../../src/convert/formats/onnx/reader.ts';
import { type WritableTensor, writeOnnxFile } from '../../../../src/convert/formats/onnx/writer.ts';
import { node, weights, writeForeign } from '../../foreign-onnx/foreign-model.ts';

/** Large enough to be read on demand. */
const LARGE = weights('large', [100, 100]);
const SMALL = weights('small', [4]);

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-onnx-file-'));
  path = join(folder, 'model.onnx');
});
afterEach(() => rm(folder, { recursive: true }));

test('large weights are read on demand', async () => {
  await writeForeign(path, { nodes: [node('Relu', ['image'], 'y')], tensors: [SMALL, LARGE], outputs: ['y'] });
  const { tensors, graph } = await readOnnxFile(path);
  expect(graph.nodes?.map(({ operator }) => operator)).toEqual(['Relu']);
  expect(tensors.map(({ proto }) => [proto.name, proto.rawData?.length])).toEqual([
    ['small', 16],
    ['large', undefined],
  ]);
  expect(await valuesOf(tensors[1])).toEqual(Buffer.from(LARGE.rawData ?? []));
});

test('floats that are not packed are read', async () => {
  const floatData = Array.from({ length: 10_000 }, (_, index) => index / 8);
  await writeForeign(path, {
    nodes: [],
    tensors: [{ name: 'w', dims: [10_000], dataType: 1, floatData }],
    outputs: [],
  });
  const { model, graph, tensors } = await readOnnxFile(path);
  const again = join(folder, 'again.onnx');
  await writeOnnxFile(again, model, graph, tensors);
  expect(decode(modelProto, await readFile(again)).graph?.initializers?.[0]?.floatData).toEqual(floatData);
});

describe('weights in another file', () => {
  const place = (location: string, offset: number, length: number): TensorProto => ({
    name: 'far',
    dims: [4],
    dataType: 1,
    dataLocation: 1,
    externalData: Object.entries({ location, offset: `${offset}`, length: `${length}` }).map(([key, value]) => ({
      key,
      value,
    })),
  });
  const write = (tensor: TensorProto) => writeForeign(path, { nodes: [], tensors: [tensor], outputs: [] });

  test('are read from a file beside the model', async () => {
    await writeFile(
      join(folder, 'weights.bin'),
      Uint8Array.from({ length: 100 }, (_, index) => index),
    );
    await write(place('weights.bin', 10, 16));
    const { tensors, dataFiles } = await readOnnxFile(path);
    expect(dataFiles).toEqual(['weights.bin']);
    expect(Array.from(await valuesOf(tensors[0]))).toEqual(Array.from({ length: 16 }, (_, index) => 10 + index));
    expect(tensors[0]?.proto.dataLocation).toBeUndefined();
  });

  test.each(['../weights.bin', '/etc/passwd', 'sub/weights.bin', 'sub\\weights.bin', '..', ''])(
    'are not read from "%s"',
    async (location) => {
      await write(place(location, 0, 16));
      await expect(readOnnxFile(path)).rejects.toThrow('must be the name of a file beside the model');
    },
  );

  test('are not read through a symbolic link', async () => {
    await writeFile(join(folder, 'secret'), new Uint8Array(16));
    await symlink(join(folder, 'secret'), join(folder, 'weights.bin'));
    await write(place('weights.bin', 0, 16));
    await expect(readOnnxFile(path)).rejects.toThrow('is not a regular file');
  });

  test('must exist and be long enough', async () => {
    await write(place('weights.bin', 0, 16));
    await expect(readOnnxFile(path)).rejects.toThrow(
      '"weights.bin", which has tensor "far", is missing beside the model',
    );
    await writeFile(join(folder, 'weights.bin'), new Uint8Array(15));
    await expect(readOnnxFile(path)).rejects.toThrow('bytes 0 to 16 of "weights.bin", which has 15');
  });

  test('cannot belong to a constant inside a node', async () => {
    const constant = {
      ...node('Constant', [], 'y'),
      attributes: [{ name: 'value', type: 4, tensor: place('secret', 0, 16) }],
    };
    await writeForeign(path, { nodes: [constant], outputs: ['y'] });
    await expect(readOnnxFile(path)).rejects.toThrow('the constant inside Constant "y" is in another file');
  });
});

describe('a file is refused', () => {
  test('when its version is not supported', async () => {
    await writeForeign(path, { nodes: [], outputs: [], opset: 99 });
    await expect(readOnnxFile(path)).rejects.toThrow('the model has opset 99; opsets 7 to');
    await writeForeign(path, { nodes: [], outputs: [], irVersion: 2 });
    await expect(readOnnxFile(path)).rejects.toThrow('the model has IR version 2; versions 3 to');
  });

  test('when it is cut off at any byte', async () => {
    await writeForeign(path, { nodes: [node('Relu', ['image'], 'y')], tensors: [LARGE], outputs: ['y'] });
    const { length } = await readFile(path);
    for (const end of [length - 1, 20_000, 60, 12, 3]) {
      await truncate(path, end);
      await expect(readOnnxFile(path), `${end} bytes`).rejects.toThrow();
    }
  });

  test('when it has no graph', async () => {
    await writeFile(path, encode(modelProto, { irVersion: 8, operatorSets: [{ version: 17 }] }));
    await expect(readOnnxFile(path)).rejects.toThrow('has no graph');
  });

  test('when it is too large for protobuf', async () => {
    await truncate(await writeForeign(path, { nodes: [], outputs: [] }), 2 ** 31);
    await expect(readOnnxFile(path)).rejects.toThrow('a protobuf message ends at 2 GiB');
  });
});

async function valuesOf(tensor: WritableTensor | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tensor?.values?.read() ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}
