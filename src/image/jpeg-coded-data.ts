import { setImmediate } from 'node:timers/promises';
import { END_OF_IMAGE, isFrame, MARKER, START_OF_SCAN, segments } from './jpeg-segments.ts';

const DEFINE_TABLES = 0xc4;
const RESTART_INTERVAL = 0xdd;
const FIRST_RESTART = 0xd0;
const COEFFICIENTS = 64;
/** The longest code of a table, in bits. */
const LONGEST_CODE = 16;
/** Run of sixteen zeros, which stands without a value. */
const SIXTEEN_ZEROS = 0xf0;
/** Blocks that are read in one turn of the event loop, in a few milliseconds. */
const BLOCKS_AT_ONCE = 1 << 16;

/** Of each 16 bits that may follow: the length of the code that they begin with, times 256, and its symbol. */
type CodeTable = Uint16Array;

interface Component {
  readonly id: number;
  readonly blocks: number;
}

interface Scan {
  /** The tables of each block of a unit, in their order. */
  readonly blocks: readonly { readonly dc: CodeTable; readonly ac: CodeTable }[];
  readonly units: number;
  /** Units between restart markers; 0 without any. */
  readonly restartInterval: number;
  /** Where its coded data starts. */
  readonly start: number;
}

/**
 * Whether the coded data of a sequential JPEG of one scan goes on to its last block; undefined for JPEGs of other kinds.
 * Nothing is decoded: the codes are counted. Source: ITU-T T.81, annexes B, C and F.
 */
export async function hasAllBlocks(file: Uint8Array): Promise<boolean | undefined> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  const scan = soleScan(bytes);
  return scan && (await reachesEnd(bytes, scan));
}

function soleScan(bytes: Buffer): Scan | undefined {
  // Only those of the scan are built: a hostile file has a million.
  const tables = new Map<number, Buffer>();
  let restartInterval = 0;
  let frame: { readonly components: readonly Component[]; readonly units: number } | undefined;
  for (const { marker, segment, end } of segments(bytes)) {
    if (marker === DEFINE_TABLES) for (const [id, definition] of definitions(segment)) tables.set(id, definition);
    else if (marker === RESTART_INTERVAL && segment.length >= 2) restartInterval = segment.readUInt16BE(0);
    else if (isFrame(marker)) {
      // Baseline and extended sequential, with Huffman codes.
      if (marker > 0xc1) return undefined;
      frame = readFrame(segment);
    } else if (marker === START_OF_SCAN) {
      if (frame === undefined || segment[0] !== frame.components.length) return undefined;
      const blocks = frame.components.flatMap(({ blocks: count }, index) => {
        const ids = segment[2 + 2 * index] ?? 0;
        const [dc, ac] = [tables.get(ids >> 4), tables.get(16 + (ids & 15))];
        if (dc === undefined || ac === undefined) return [];
        const built = { dc: codeTable(dc), ac: codeTable(ac) };
        return Array.from({ length: count }, () => built);
      });
      return blocks.length === 0 ? undefined : { blocks, units: frame.units, restartInterval, start: end };
    }
  }
  return undefined;
}

function readFrame(segment: Buffer): { components: Component[]; units: number } | undefined {
  const count = segment[5] ?? 0;
  if (count === 0 || segment.length < 6 + 3 * count) return undefined;
  const [height, width] = [segment.readUInt16BE(1), segment.readUInt16BE(3)];
  const sampling = Array.from({ length: count }, (_, index) => {
    const factors = segment[7 + 3 * index] ?? 0;
    return { id: segment[6 + 3 * index] ?? 0, across: factors >> 4, down: factors & 15 };
  });
  // A unit of a single component is one block, whatever its factors are.
  const [across, down] =
    count === 1 ? [1, 1] : [Math.max(...sampling.map((each) => each.across)), Math.max(...sampling.map((e) => e.down))];
  return {
    components: sampling.map((each) => ({ id: each.id, blocks: count === 1 ? 1 : each.across * each.down })),
    units: Math.ceil(width / (8 * across)) * Math.ceil(height / (8 * down)),
  };
}

/** The definitions of a segment's tables, by their number; those of AC have 16 added. */
function* definitions(segment: Buffer): Generator<[id: number, definition: Buffer]> {
  for (let at = 0; at + 1 + LONGEST_CODE <= segment.length; ) {
    const id = segment[at] ?? 0;
    const codes = segment.subarray(at + 1, at + 1 + LONGEST_CODE).reduce((sum, count) => sum + count, 0);
    const end = at + 1 + LONGEST_CODE + codes;
    yield [(id >> 4) * 16 + (id & 15), segment.subarray(at + 1, end)];
    at = end;
  }
}

function codeTable(definition: Buffer): CodeTable {
  const table = new Uint16Array(1 << LONGEST_CODE);
  let code = 0;
  let at = LONGEST_CODE;
  for (const [index, count] of definition.subarray(0, LONGEST_CODE).entries()) {
    const length = index + 1;
    const codesEach = 1 << (LONGEST_CODE - length);
    for (let each = 0; each < count; each += 1) {
      table.fill((length << 8) | (definition[at] ?? 0), code, code + codesEach);
      code += codesEach;
      at += 1;
    }
  }
  return table;
}

/** Reads the bits of coded data; behind its end there are zeros, which are counted. */
class CodedBits {
  readonly #bytes: Buffer;
  #at: number;
  #buffer = 0;
  #buffered = 0;
  /** Of the buffered bits: those that are not in the file. */
  #missing = 0;

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  /** Whether bits were taken that are not in the file. */
  get ended(): boolean {
    return this.#missing > this.#buffered;
  }

  /** Takes a code and gives its symbol; undefined when there is no such code. */
  symbol(table: CodeTable): number | undefined {
    this.#buffer16();
    const found = table[(this.#buffer >>> (this.#buffered - 16)) & 0xffff] ?? 0;
    if (found === 0) return undefined;
    this.#buffered -= found >> 8;
    return found & 0xff;
  }

  /** @param count up to 16 */
  skip(count: number): void {
    this.#buffer16();
    this.#buffered -= count;
  }

  /** Takes a restart marker, after the rest of the byte before it; false when it is not there. */
  restart(index: number): boolean {
    if (this.ended) return false;
    this.#buffered = 0;
    this.#missing = 0;
    while (this.#bytes[this.#at] === MARKER && this.#bytes[this.#at + 1] === MARKER) this.#at += 1;
    const isThere = this.#bytes[this.#at] === MARKER && this.#bytes[this.#at + 1] === FIRST_RESTART + (index % 8);
    this.#at += 2;
    return isThere;
  }

  #buffer16(): void {
    while (this.#buffered < 16) {
      const byte = this.#bytes[this.#at];
      let next = byte ?? 0;
      if (byte === undefined || (byte === MARKER && this.#bytes[this.#at + 1] !== 0)) {
        next = 0;
        this.#missing += 8;
      } else this.#at += byte === MARKER ? 2 : 1;
      this.#buffer = (this.#buffer << 8) | next;
      this.#buffered += 8;
    }
  }
}

async function reachesEnd(bytes: Buffer, { blocks, units, restartInterval, start }: Scan): Promise<boolean> {
  const bits = new CodedBits(bytes, start);
  let restarts = 0;
  let blocksInTurn = 0;
  for (let unit = 0; unit < units; unit += 1) {
    if (restartInterval > 0 && unit > 0 && unit % restartInterval === 0 && !bits.restart(restarts++)) return false;
    for (const { dc, ac } of blocks) if (!takeBlock(bits, dc, ac)) return false;
    if (bits.ended) return false;
    blocksInTurn += blocks.length;
    if (blocksInTurn >= BLOCKS_AT_ONCE) {
      blocksInTurn = 0;
      await setImmediate();
    }
  }
  return true;
}

function takeBlock(bits: CodedBits, dc: CodeTable, ac: CodeTable): boolean {
  const size = bits.symbol(dc);
  if (size === undefined || size > 16) return false;
  bits.skip(size);
  for (let coefficient = 1; coefficient < COEFFICIENTS; coefficient += 1) {
    const symbol = bits.symbol(ac);
    if (symbol === undefined) return false;
    if ((symbol & 15) > 0) {
      coefficient += symbol >> 4;
      bits.skip(symbol & 15);
    } else if (symbol === SIXTEEN_ZEROS) coefficient += 15;
    else return true;
  }
  return true;
}

/** Whether a JPEG has its end marker; what follows it does not matter. */
export function hasEnd(file: Uint8Array): boolean {
  if (file.at(-2) === MARKER && file.at(-1) === END_OF_IMAGE) return true;
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  for (const { marker } of segments(bytes)) if (marker === END_OF_IMAGE) return true;
  return false;
}
