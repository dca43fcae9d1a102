import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { decode, encode } from '../../../../src/common/protobuf.ts';
import { modelProto, tensorProto } from '../../../../src/convert/formats/onnx/proto.ts';

const model = {
  irVersion: 8,
  producer: 'test',
  graph: {
    name: 'g',
    nodes: [
      {
        name: 'conv',
        operator: 'Conv',
        inputs: ['x', 'w'],
        outputs: ['y'],
        attributes: [
          { name: 'pads', type: 7, integers: [0, 1, -1, 2] },
          { name: 'epsilon', type: 1, float: 0.5 },
        ],
      },
    ],
    initializers: [{ name: 'w', dims: [2, 1], dataType: 1, rawData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }],
  },
  operatorSets: [{ version: 17 }],
};

test('reads a message that was written', () => {
  expect(decode(modelProto, encode(modelProto, model))).toEqual(model);
});

test('reads packed repeated numbers', () => {
  const packed = new BinaryWriter().tag(1, WireType.LengthDelimited).fork().int64(300).int64(2).join();
  expect(decode(tensorProto, packed.finish())).toEqual({ dims: [300, 2] });
});

test('keeps unknown fields', () => {
  const later = new BinaryWriter().tag(8, WireType.LengthDelimited).string('w');
  later.tag(98, WireType.Varint).int64(-5).tag(99, WireType.LengthDelimited).string('new');
  const bytes = later.finish();
  const read = decode(tensorProto, bytes);
  expect(read.name).toBe('w');
  expect(encode(tensorProto, { ...read })).toEqual(bytes);
});

test('keeps integers that exceed the safe integers', () => {
  const largest = 2n ** 63n - 1n;
  expect(decode(tensorProto, encode(tensorProto, { int64Data: [largest, -largest, 7] }))).toEqual({
    int64Data: [largest, -largest, 7],
  });
});

test('refuses a message that is cut off', () => {
  const bytes = encode(modelProto, model);
  expect(() => decode(modelProto, bytes.subarray(0, bytes.length - 3))).toThrow();
});
