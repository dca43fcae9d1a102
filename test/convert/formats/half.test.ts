import { expect, test } from 'vitest';
import { floatToHalf, halfTable, halfToFloat } from '../../../src/convert/formats/half.ts';

test.each([
  [0x0000, 0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3555, 0.333251953125],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
])('pattern %i is %f, and back', (half, value) => {
  expect(halfToFloat(half)).toBe(value);
  expect(floatToHalf(value)).toBe(half);
});

test('every half survives the conversion to float and back', () => {
  const changed = [...halfTable().entries()].filter(
    ([half, value]) => !Number.isNaN(value) && floatToHalf(value) !== half,
  );
  expect(changed).toEqual([]);
});

test('rounds to the nearest half, ties to even', () => {
  expect(floatToHalf(1 + 0.4 / 1024)).toBe(0x3c00);
  expect(floatToHalf(1 + 0.6 / 1024)).toBe(0x3c01);
  expect(floatToHalf(1 + 0.5 / 1024)).toBe(0x3c00);
  expect(floatToHalf(1 + 1.5 / 1024)).toBe(0x3c02);
  expect(floatToHalf(1.5 * 2 ** -24)).toBe(2);
});

test('NaN stays NaN, and numbers that are too large become infinity', () => {
  expect(halfToFloat(floatToHalf(Number.NaN))).toBeNaN();
  expect(floatToHalf(65519)).toBe(0x7bff);
  expect(floatToHalf(65520)).toBe(0x7c00);
  expect(floatToHalf(-1e9)).toBe(0xfc00);
});
