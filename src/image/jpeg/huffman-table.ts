/** Codes of up to this many bits, with the bits of their value, are looked up in one step. */
export const LOOKUP_BITS = 10;
const LONGEST_CODE = 16;
const MAX_SYMBOLS = 256;

/**
 * The parts of a table, in their order, by their offsets in bytes:
 *
 * - words by the next `LOOKUP_BITS` bits, 0 where the code is longer; else bits 0..4 are the bits to take, 5..8 the run of
 *   zeros (for DC, part of the size), 9..12 the bits of the value that are still to be read, and 16..31 the value if its
 *   bits were taken too
 * - `ends`: words by the length of a code: the largest such code, shifted to 16 bits, plus one
 * - `offsets`: words by the length of a code: the index of its symbol minus the code
 * - `symbols`: bytes
 */
export const TABLE = {
  ends: 4 << LOOKUP_BITS,
  offsets: (4 << LOOKUP_BITS) + 4 * (LONGEST_CODE + 2),
  symbols: (4 << LOOKUP_BITS) + 4 * (2 * LONGEST_CODE + 3),
  bytes: (4 << LOOKUP_BITS) + 4 * (2 * LONGEST_CODE + 3) + MAX_SYMBOLS,
} as const;

/** A Huffman table (ITU-T T.81, annex C), as `TABLE` says. */
export type HuffmanTable = Uint8Array;

/**
 * @param counts of codes by their length, from 1 to 16
 * @returns undefined when there are more codes than their lengths allow, or fewer symbols than codes; both are errors of
 * libjpeg
 */
function buildTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable | undefined {
  const table = new Uint8Array(TABLE.bytes);
  const lookup = new Int32Array(table.buffer, 0, 1 << LOOKUP_BITS);
  const ends = new Int32Array(table.buffer, TABLE.ends, LONGEST_CODE + 2);
  const offsets = new Int32Array(table.buffer, TABLE.offsets, LONGEST_CODE + 1);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= LONGEST_CODE; length += 1) {
    offsets[length] = index - code;
    for (let each = 0; each < (counts[length - 1] ?? 0); each += 1, code += 1, index += 1) {
      if (length <= LOOKUP_BITS) fillLookup(lookup, code, length, symbols[index] ?? 0);
    }
    // No code consists of ones only.
    if (code >= 1 << length) return undefined;
    ends[length] = code << (LONGEST_CODE - length);
    code <<= 1;
  }
  if (index > symbols.length) return undefined;
  // Ends the search among the lengths.
  ends[LONGEST_CODE + 1] = 1 << (LONGEST_CODE + 1);
  table.set(symbols, TABLE.symbols);
  return table;
}

function fillLookup(lookup: Int32Array, code: number, length: number, symbol: number): void {
  const [run, size] = [symbol >> 4, symbol & 15];
  const free = LOOKUP_BITS - length;
  for (let rest = 0; rest < 1 << free; rest += 1) {
    const at = (code << free) | rest;
    if (size > 0 && size <= free) {
      const bits = rest >> (free - size);
      const value = bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
      lookup[at] = (value << 16) | (run << 5) | (length + size);
    } else lookup[at] = (size << 9) | (run << 5) | length;
  }
}

/** Tables that were built, by their definition: most encoders write the same few. */
const known = new Map<string, HuffmanTable>();
const MAX_KNOWN = 64;

/**
 * The table of a definition: 16 counts and then the symbols. Undefined when it is damaged.
 * @param largest symbol that is allowed
 */
export function huffmanTable(definition: Uint8Array, largest: number): HuffmanTable | undefined {
  const symbols = definition.subarray(LONGEST_CODE);
  if (symbols.some((symbol) => symbol > largest)) return undefined;
  const key = Buffer.from(definition.buffer, definition.byteOffset, definition.length).toString('latin1');
  const table = known.get(key) ?? buildTable(definition.subarray(0, LONGEST_CODE), symbols);
  if (table === undefined) return undefined;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, table);
  return table;
}
