/** Codes of up to this many bits, with the bits of their value, are looked up in one step. */
export const LOOKUP_BITS = 10;
const LONGEST_CODE = 16;

/** A Huffman table (ITU-T T.81, annex C). */
export interface HuffmanTable {
  /**
   * By the next `LOOKUP_BITS` bits, 0 where the code is longer; else bits 0..4 are the bits to take, 5..8 the run of zeros
   * (for DC, part of the size), 9..12 the bits of the value that are still to be read, and 16..31 the value if its bits
   * were taken too.
   */
  readonly lookup: Int32Array;
  /** By the length of a code: the largest such code, shifted to 16 bits, plus one. */
  readonly ends: Int32Array;
  /** By the length of a code: the index of its symbol minus the code. */
  readonly offsets: Int32Array;
  readonly symbols: Uint8Array;
}

/**
 * @param counts of codes by their length, from 1 to 16
 * @returns undefined when there are more codes than their lengths allow, or fewer symbols than codes; both are errors of
 * libjpeg
 */
function buildTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable | undefined {
  const lookup = new Int32Array(1 << LOOKUP_BITS);
  const ends = new Int32Array(LONGEST_CODE + 2);
  const offsets = new Int32Array(LONGEST_CODE + 1);
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
  // Ends the search among the lengths.
  ends[LONGEST_CODE + 1] = 1 << (LONGEST_CODE + 1);
  return index > symbols.length ? undefined : { lookup, ends, offsets, symbols };
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
  const key = Buffer.from(definition).toString('latin1');
  const table = known.get(key) ?? buildTable(definition.slice(0, LONGEST_CODE), definition.slice(LONGEST_CODE));
  if (table === undefined) return undefined;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, table);
  return table.symbols.every((symbol) => symbol <= largest) ? table : undefined;
}
