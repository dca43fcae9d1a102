import type { MemoryPlan, PixelKernel } from '../pixel-kernel.ts';
import type { Window } from '../resample.ts';
import { CodedData } from './coded-data.ts';
import { PIXELS_AT_ONCE } from './colours.ts';
import { huffmanTable } from './huffman-table.ts';
import { BLOCK_BYTES } from './inverse-dct.ts';
import { type JpegHeader, JpegReader, NotTaken, type Scan } from './jpeg-file.ts';
import { clearCoefficients, clearPlane, type Plane, planPlanes, type Shrink, toSamples } from './planes.ts';
import { takeBlock } from './sequential-block.ts';

const SHORTS_OF_BLOCK = BLOCK_BYTES / 2;
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
  readonly #file: Uint8Array;
  readonly #reader: JpegReader;
  readonly #scan: Scan;
  readonly #planes: Plane[];

  /** @throws NotTaken */
  constructor(file: Uint8Array, shrink: Shrink, plan: MemoryPlan) {
    this.#file = file;
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
    // Samples are repeated then, not mixed.
    if (shrink === 8 && this.#planes.some(({ wide }) => wide !== 1)) throw new NotTaken('sampling');
  }

  /**
   * Decodes the part of the shrunk image that is needed; all of the file is read and checked.
   * @throws NotTaken
   */
  decode(kernel: PixelKernel, seen: Window): void {
    const { buffer } = kernel.memory;
    for (const plane of this.#planes) clearPlane(plane, buffer);
    const data = new CodedData(this.#file.length);
    const scan = this.#scan;
    const end = data.open(this.#file, scan.start);
    const parts = scan.components.map(({ index, ...definitions }) => {
      const plane = this.#planes[index];
      const dc = definitions.dc && huffmanTable(definitions.dc, LARGEST_DC);
      const ac = definitions.ac && huffmanTable(definitions.ac, LARGEST_AC);
      if (plane === undefined || dc === undefined || ac === undefined) throw new NotTaken('Huffman table');
      const { coefficients, down, blocksAcross } = plane;
      const held = new Int16Array(buffer, coefficients, down * blocksAcross * SHORTS_OF_BLOCK);
      return { plane, dc, ac, held, before: 0 };
    });
    const [first] = this.#planes;
    if (first === undefined) throw new NotTaken('component');
    const [unitsAcross, unitsDown] = [first.blocksAcross / first.across, first.blocksDown / first.down];
    for (let unit = 0, y = 0; y < unitsDown; y += 1) {
      for (let x = 0; x < unitsAcross; x += 1, unit += 1) {
        if (scan.restartInterval > 0 && unit > 0 && unit % scan.restartInterval === 0) {
          data.restart();
          for (const part of parts) part.before = 0;
        }
        for (const part of parts) {
          const { across, down, blocksAcross } = part.plane;
          for (let row = 0; row < down; row += 1) {
            for (let column = 0; column < across; column += 1) {
              const at = (row * blocksAcross + x * across + column) * SHORTS_OF_BLOCK;
              part.before = takeBlock(data, part.dc, part.ac, part.before, part.held, at);
            }
          }
        }
      }
      for (const { plane } of parts) {
        for (let row = 0; row < plane.down; row += 1) toSamples(plane, kernel, y * plane.down + row, seen);
        clearCoefficients(plane, buffer);
      }
    }
    data.close();
    this.#reader.continueAt(end);
    if (this.#reader.scan() !== undefined) throw new NotTaken('a second scan');
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
