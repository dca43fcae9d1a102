import { type CodedData, longCode, ZIGZAG } from './coded-data.ts';
import { type HuffmanTable, LOOKUP_BITS } from './huffman-table.ts';
import { NotTaken } from './jpeg-file.ts';

const PEEK = 32 - LOOKUP_BITS;

/** Takes the difference of a DC coefficient to the one before. @throws NotTaken */
function takeDc(data: CodedData, table: HuffmanTable): number {
  const { view } = data;
  let { bit } = data;
  let word = view.getInt32(bit >>> 3) << (bit & 7);
  let entry = table.lookup[word >>> PEEK] ?? 0;
  if (entry === 0) entry = longCode(table, word);
  if (entry === 0 || ((entry >> 5) & 15) !== 0) throw new NotTaken('DC');
  bit += entry & 31;
  let value = entry >> 16;
  const size = (entry >> 9) & 15;
  if (value === 0 && size > 0) {
    word = view.getInt32(bit >>> 3) << (bit & 7);
    bit += size;
    value = word >>> (32 - size);
    if (value < 1 << (size - 1)) value -= (1 << size) - 1;
  }
  data.bit = bit;
  return value;
}

/**
 * Takes a block of a sequential scan. Source: ITU-T T.81, F.2.2.
 * @param coefficients of the block zeros, from `at` on
 * @returns the DC coefficient
 * @throws NotTaken
 */
export function takeBlock(
  data: CodedData,
  dcTable: HuffmanTable,
  acTable: HuffmanTable,
  before: number,
  coefficients: Int16Array,
  at: number,
): number {
  const dc = before + takeDc(data, dcTable);
  coefficients[at] = dc;
  const { view } = data;
  const { lookup } = acTable;
  let { bit } = data;
  for (let k = 1; k < 64; k += 1) {
    const word = view.getInt32(bit >>> 3) << (bit & 7);
    let entry = lookup[word >>> PEEK] ?? 0;
    if (entry === 0) {
      entry = longCode(acTable, word);
      if (entry === 0) throw new NotTaken('AC');
    }
    bit += entry & 31;
    let value = entry >> 16;
    if (value === 0) {
      const size = (entry >> 9) & 15;
      if (size === 0) {
        if ((entry & 0x1e0) !== 0x1e0) break;
        k += 15;
        continue;
      }
      value = (view.getInt32(bit >>> 3) << (bit & 7)) >>> (32 - size);
      bit += size;
      if (value < 1 << (size - 1)) value -= (1 << size) - 1;
    }
    k += (entry >> 5) & 15;
    if (k > 63) throw new NotTaken('AC');
    coefficients[at + (ZIGZAG[k] ?? 0)] = value;
  }
  if (bit > data.endBit) throw new NotTaken('cut short');
  data.bit = bit;
  return dc;
}
