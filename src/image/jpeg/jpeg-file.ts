import { exifOrientation } from './exif-orientation.ts';

const [SOF0, SOF1, SOF2, DHT, SOI, EOI, SOS, DQT, DRI, APP0, APP1, APP2, APP14] = [
  0xc0, 0xc1, 0xc2, 0xc4, 0xd8, 0xd9, 0xda, 0xdb, 0xdd, 0xe0, 0xe1, 0xe2, 0xee,
] as const;
const COEFFICIENTS = 64;
/** libjpeg replicates rows and columns of smaller images in ways of its own. */
const MIN_SIDE = 16;
/** The tables of each kind that a file can have at once. */
const MAX_TABLES = 4;
const MAX_SYMBOLS = 256;
/**
 * Segments and tables of a file. Profiles and previews take some hundreds of segments; with many more, the header of a
 * hostile file of 20 MB took the thread that answers requests six seconds.
 */
const MAX_PARTS = 1_000;

/** A component of the frame. */
export interface Component {
  readonly id: number;
  /** Sampling factors, 1 or 2. */
  readonly across: number;
  readonly down: number;
  /** Which table of divisors it has. */
  readonly quantization: number;
}

/** The header of an upright JPEG of 8 bits, grey or YCbCr. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** `decodeJpeg` takes others only. */
  readonly progressive: boolean;
  readonly components: readonly Component[];
  readonly hasProfile: boolean;
}

/** One scan, with the definitions of the Huffman tables that are in force: see `huffmanTable`. */
export interface Scan {
  readonly components: readonly {
    readonly index: number;
    readonly dc: Uint8Array | undefined;
    readonly ac: Uint8Array | undefined;
  }[];
  readonly restartInterval: number;
  /** Where its coded data starts in the file. */
  readonly start: number;
}

/** Thrown for a file that is damaged, or of a kind that is not taken; another decoder may read it, or say what is wrong. */
export class NotTaken extends Error {}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new NotTaken(what);
}

/** Reads the segments of a JPEG, one after the other. Source: ITU-T T.81, annex B. */
export class JpegReader {
  readonly #bytes: Buffer;
  #at = 2;
  #header: Omit<JpegHeader, 'hasProfile'> | undefined;
  #firstScan: Scan | undefined;
  #restartInterval = 0;
  #isJfif = false;
  #adobeTransform: number | undefined;
  #hasProfile = false;
  #hasExif = false;
  #parts = 0;
  /** Definitions of Huffman tables: a table takes longer to build than the header to read. */
  readonly #tables = new Map<number, Uint8Array>();
  /** Divisors in zigzag order, by the number of their table. */
  readonly quantization = new Map<number, Uint16Array>();

  /** @throws NotTaken */
  constructor(file: Uint8Array) {
    this.#bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
    expect(this.#bytes[0] === 0xff && this.#bytes[1] === SOI, 'no JPEG');
  }

  /** The header, which ends where the first scan begins. @throws NotTaken */
  header(): JpegHeader {
    this.#firstScan = this.scan();
    const header = this.#header;
    expect(header !== undefined, 'no scan');
    // As libjpeg guesses the colours.
    const isRgb = this.#isJfif
      ? false
      : this.#adobeTransform === undefined
        ? String.fromCharCode(...header.components.map(({ id }) => id)) === 'RGB'
        : this.#adobeTransform !== 1;
    expect(header.components.length === 1 || !isRgb, 'RGB');
    return { ...header, hasProfile: this.#hasProfile };
  }

  /** The next scan; undefined at the end of the image. @throws NotTaken when the file ends before */
  scan(): Scan | undefined {
    const first = this.#firstScan;
    this.#firstScan = undefined;
    if (first !== undefined) return first;
    for (;;) {
      const found = this.#next();
      if (found === 'end') return undefined;
      if (found !== undefined) return found;
    }
  }

  /** Goes on behind the coded data of a scan. */
  continueAt(position: number): void {
    this.#at = position;
  }

  #next(): Scan | 'end' | undefined {
    const bytes = this.#bytes;
    expect(bytes[this.#at] === 0xff, 'no marker');
    while (bytes[this.#at + 1] === 0xff) this.#at += 1;
    this.#countPart();
    const marker = bytes[this.#at + 1] ?? 0;
    if (marker === EOI) return 'end';
    expect(this.#at + 4 <= bytes.length, 'cut short');
    const end = this.#at + 2 + bytes.readUInt16BE(this.#at + 2);
    expect(end >= this.#at + 4 && end <= bytes.length, 'cut short');
    const segment = bytes.subarray(this.#at + 4, end);
    this.#at = end;
    if (marker === SOS) return this.#readScan(segment, end);
    this.#readSegment(marker, segment);
    return undefined;
  }

  #countPart(): void {
    this.#parts += 1;
    expect(this.#parts <= MAX_PARTS, 'too many parts');
  }

  #readSegment(marker: number, segment: Buffer): void {
    if (marker === SOF0 || marker === SOF1 || marker === SOF2) this.#readFrame(marker, segment);
    else if (marker === DHT) this.#readTables(segment);
    else if (marker === DQT) this.#readQuantization(segment);
    else if (marker === DRI) {
      expect(segment.length === 2, 'restart interval');
      this.#restartInterval = segment.readUInt16BE(0);
    } else if (marker === APP0) this.#isJfif ||= segment.length >= 14 && segment.toString('latin1', 0, 5) === 'JFIF\0';
    else if (marker === APP1) {
      if (segment.toString('latin1', 0, 6) !== 'Exif\0\0') return;
      expect(!this.#hasExif && exifOrientation(segment.subarray(6)) === 1, 'not upright');
      this.#hasExif = true;
    } else if (marker === APP2) this.#hasProfile ||= segment.toString('latin1', 0, 12) === 'ICC_PROFILE\0';
    else if (marker === APP14 && segment.length >= 12 && segment.toString('latin1', 0, 5) === 'Adobe') {
      this.#adobeTransform = segment[11];
    } else expect(marker >= APP0 && marker <= 0xfe && (marker <= 0xef || marker === 0xfe), `marker ${marker}`);
  }

  #readFrame(marker: number, segment: Buffer): void {
    expect(this.#header === undefined && segment.length >= 6, 'frame');
    const count = segment[5] ?? 0;
    expect(segment[0] === 8 && (count === 1 || count === 3) && segment.length === 6 + 3 * count, 'kind of frame');
    const components = Array.from({ length: count }, (_, index): Component => {
      const [id = 0, factors = 0, quantization = 0] = segment.subarray(6 + 3 * index);
      const [across, down] = [factors >> 4, factors & 15];
      expect(across >= 1 && across <= 4 && down >= 1 && down <= 4, 'sampling');
      // The factors of a sole component mean nothing.
      return count === 1 ? { id, across: 1, down: 1, quantization } : { id, across, down, quantization };
    });
    const [luma, ...chroma] = components;
    const isUsual =
      luma !== undefined &&
      [0x11, 0x21, 0x22].includes(luma.across * 16 + luma.down) &&
      chroma.every(({ across, down }) => across === 1 && down === 1);
    expect(isUsual, 'sampling');
    const [height, width] = [segment.readUInt16BE(1), segment.readUInt16BE(3)];
    expect(width >= MIN_SIDE && height >= MIN_SIDE, 'size');
    this.#header = { width, height, progressive: marker === SOF2, components };
  }

  #readTables(segment: Buffer): void {
    for (let at = 0; at < segment.length; ) {
      const id = segment[at] ?? 0;
      const counts = segment.subarray(at + 1, at + 17);
      const symbols = counts.reduce((sum, count) => sum + count, 0);
      const end = at + 17 + symbols;
      expect((id & 0xef) < MAX_TABLES && symbols <= MAX_SYMBOLS && end <= segment.length, 'Huffman table');
      this.#countPart();
      this.#tables.set(id, segment.subarray(at + 1, end));
      at = end;
    }
  }

  #readQuantization(segment: Buffer): void {
    for (let at = 0; at < segment.length; ) {
      const id = segment[at] ?? 0;
      const bytes = id < 16 ? 1 : 2;
      const isWhole = at + 1 + COEFFICIENTS * bytes <= segment.length;
      expect((id & 15) < MAX_TABLES && isWhole, 'quantization');
      this.#countPart();
      const table = new Uint16Array(COEFFICIENTS);
      for (let k = 0; k < COEFFICIENTS; k += 1) table[k] = segment.readUIntBE(at + 1 + k * bytes, bytes);
      this.quantization.set(id & 15, table);
      at += 1 + COEFFICIENTS * bytes;
    }
  }

  #readScan(segment: Buffer, start: number): Scan {
    const header = this.#header;
    const count = segment[0] ?? 0;
    expect(header !== undefined && count > 0 && segment.length === 4 + 2 * count, 'scan');
    const components = Array.from({ length: count }, (_, index) => {
      const [id, tables = 0] = segment.subarray(1 + 2 * index);
      const found = header.components.findIndex((component) => component.id === id);
      expect(found >= 0, 'component');
      return { index: found, dc: this.#tables.get(tables >> 4), ac: this.#tables.get(16 + (tables & 15)) };
    });
    const isOrdered = components.every(({ index }, at) => at === 0 || index > (components[at - 1]?.index ?? 0));
    expect(isOrdered, 'scan');
    return { components, restartInterval: this.#restartInterval, start };
  }
}
