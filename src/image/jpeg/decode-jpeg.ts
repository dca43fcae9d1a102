import type { MemoryPlan, PixelKernel } from '../pixel-kernel.ts';
import type { Window } from '../resample.ts';
import { CodedData, type CodedPart } from './coded-data.ts';
import { PIXELS_AT_ONCE } from './colours.ts';
import { huffmanTable } from './huffman-table.ts';
import { type JpegHeader, JpegReader, NotTaken, type Scan } from './jpeg-file.ts';
import { clearCoefficients, clearPlane, type Plane, planPlanes, type Shrink, toSamples } from './planes.ts';

/** A symbol of DC is a number of bits; one of AC also says how many zeros come before. */
const [LARGEST_DC, LARGEST_AC] = [15, 255];

/**
 * Decodes a JPEG to the pixels that libjpeg gives for it, bit for bit, of the whole image or shrunk. What is damaged, or
 * of a rare kind, is not taken. Sources: ITU-T T.81; JFIF 1.02.
 */
export class JpegDecoder {
  readonly header: JpegHeader;
  /** Size of the shrunk image. */
  readonly width: number;
  readonly height: number;
  readonly #reader: JpegReader;
  readonly #scan: Scan;
  readonly #data: CodedData;
  readonly #planes: Plane[];

  /** @throws NotTaken */
  constructor(file: Uint8Array, shrink: Shrink, plan: MemoryPlan) {
    this.#reader = new JpegReader(file);
    this.header = this.#reader.header();
    const scan = this.#reader.scan();
    if (scan === undefined) throw new NotTaken('no scan');
    this.#scan = scan;
    const { components, width, height, progressive } = this.header;
    if (progressive || scan.components.length !== components.length) throw new NotTaken('several scans');
    this.width = Math.ceil(width / shrink);
    this.height = Math.ceil(height / shrink);
    this.#planes = planPlanes(this.header, this.#reader.quantization, shrink, plan);
    this.#data = new CodedData(file, components.length, plan);
    // Samples are repeated then, not mixed.
    if (shrink === 8 && this.#planes.some(({ wide }) => wide !== 1)) throw new NotTaken('sampling');
  }

  /**
   * Decodes the part of the shrunk image that is needed; all of the file is read and checked.
   * @throws NotTaken
   */
  decode(kernel: PixelKernel, seen: Window): void {
    const { buffer } = kernel.memory;
    const planes = this.#planes;
    for (const plane of planes) clearPlane(plane, buffer);
    const data = this.#data;
    const { start, restartInterval } = this.#scan;
    const end = data.open(kernel, start, this.#codedParts());
    const [first] = planes;
    if (first === undefined) throw new NotTaken('component');
    const [unitsAcross, unitsDown] = [first.blocksAcross / first.across, first.blocksDown / first.down];
    let untilRestart = restartInterval > 0 ? restartInterval : Number.POSITIVE_INFINITY;
    for (let y = 0; y < unitsDown; y += 1) {
      data.beginRow();
      for (let x = 0; x < unitsAcross; ) {
        if (untilRestart === 0) {
          data.restart();
          untilRestart = restartInterval;
        }
        const count = Math.min(unitsAcross - x, untilRestart);
        data.takeUnits(count);
        x += count;
        untilRestart -= count;
      }
      for (const plane of planes) {
        for (let row = 0; row < plane.down; row += 1) toSamples(plane, kernel, y * plane.down + row, seen);
        clearCoefficients(plane, buffer);
      }
    }
    data.close();
    this.#reader.continueAt(end);
    if (this.#reader.scan() !== undefined) throw new NotTaken('a second scan');
  }

  /** @throws NotTaken */
  #codedParts(): CodedPart[] {
    return this.#scan.components.map(({ index, ...definitions }) => {
      const plane = this.#planes[index];
      const dc = definitions.dc && huffmanTable(definitions.dc, LARGEST_DC);
      const ac = definitions.ac && huffmanTable(definitions.ac, LARGEST_AC);
      if (plane === undefined || dc === undefined || ac === undefined) throw new NotTaken('Huffman table');
      return { ...plane, dc, ac };
    });
  }

  /** The first column that `row` gives when `left` is needed. */
  static firstColumn(left: number): number {
    return Math.floor(left / PIXELS_AT_ONCE) * PIXELS_AT_ONCE;
  }

  /** Bytes that `row` writes for these columns. */
  static rowBytes(left: number, width: number): number {
    return Math.ceil((left + width - JpegDecoder.firstColumn(left)) / PIXELS_AT_ONCE) * PIXELS_AT_ONCE * 3;
  }

  /** Writes RGB of a row of the shrunk image, from `firstColumn(left)` on, to an address. */
  row(kernel: PixelKernel, y: number, left: number, width: number, output: number): void {
    const from = JpegDecoder.firstColumn(left);
    const count = Math.ceil((left + width - from) / PIXELS_AT_ONCE);
    const [luma, blue, red] = this.#planes;
    if (luma === undefined) return;
    const lumaAt = luma.samples + y * luma.stride + from;
    if (blue === undefined || red === undefined) {
      kernel.grey(lumaAt, output, count);
      return;
    }
    const near = Math.floor(y / blue.high);
    const far = Math.max(0, Math.min(blue.height - 1, near + (y % 2 === 0 ? -1 : 1)));
    const at = (plane: Plane, line: number) => plane.samples + line * plane.stride + from / plane.wide;
    if (blue.wide === 1) kernel.fullChroma(lumaAt, at(blue, near), at(red, near), output, count);
    else if (blue.high === 1) {
      const [blueAt, redAt] = [at(blue, near), at(red, near)];
      kernel.halfChroma(lumaAt, blueAt, blueAt, redAt, redAt, 4, 8, output, count);
    } else {
      const [blueAt, redAt] = [at(blue, near), at(red, near)];
      kernel.halfChroma(lumaAt, blueAt, at(blue, far), redAt, at(red, far), 8, 7, output, count);
    }
  }
}
