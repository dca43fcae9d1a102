import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { decode, encode, modelProto, tensorProto } from '../../../src/convert/formats/onnx-proto.ts';

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

test('a message reads as it was written', () => {
  expect(decode(modelProto, encode(modelProto, model))).toEqual(model);
});

test('repeated numbers are also read from one packed run', () => {
  const packed = new BinaryWriter().tag(1, WireType.LengthDelimited).fork().int64(300).int64(2).join();
  expect(decode(tensorProto, packed.finish())).toEqual({ dims: [300, 2] });
});

test('fields of later versions are skipped', () => {
  const later = new BinaryWriter().tag(99, WireType.LengthDelimited).string('new').tag(8, WireType.LengthDelimited);
  expect(decode(tensorProto, later.string('w').finish())).toEqual({ name: 'w' });
});

test('a message that is cut short is refused', () => {
  const bytes = encode(modelProto, model);
  expect(() => decode(modelProto, bytes.subarray(0, bytes.length - 3))).toThrow();
});
