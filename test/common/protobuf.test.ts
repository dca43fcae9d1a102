import { describe, expect, it } from 'vitest';
import { boolean, decode, encode, integer, many, message, one, text } from '../../src/common/protobuf.ts';

const entry = message({ key: one(1, text), isSet: one(2, boolean) });
const list = message({ entries: many(1, entry), numbers: many(2, integer) });

describe('a message', () => {
  it('is read as it was written', () => {
    const value = { entries: [{ key: 'a', isSet: true }, { isSet: false }], numbers: [1, -1, 2 ** 40] };
    expect(decode(list, encode(list, value))).toEqual(value);
  });

  it('may have so many fields, also inside others and in packed numbers', () => {
    const written = encode(list, { entries: [{ key: 'a' }, { key: 'b' }] });
    expect(decode(list, written, 4).entries).toHaveLength(2);
    expect(() => decode(list, written, 3)).toThrow('too many fields');
    const packed = Uint8Array.of(0x12, 3, 1, 2, 3);
    expect(decode(list, packed, 4).numbers).toEqual([1, 2, 3]);
    expect(() => decode(list, packed, 3)).toThrow('too many fields');
  });
});
