import { crc32 } from 'node:zlib';
import type { Random } from '../../src/common/random.ts';
import { pick } from './fuzz-input.ts';

/** Sides that are none, too few, too many, more than the largest image allowed, or as many as a field holds. */
const SIDES = [0, 1, 2, 63, 65, 500, 3_000, 7_000, 7_100, 16_383, 30_000, 65_535, 0x7fffffff, 0xffffffff];
/** TIFF tags: sides, bits, compression, strip offsets, samples, rows per strip, strip bytes, tile sides and offsets. */
const TIFF_TAGS = [256, 257, 258, 259, 273, 277, 278, 279, 322, 323, 324, 325];

/** Writes other sizes into the header of an image, as each format stores them. Other files are returned as they are. */
export function lieAboutSize(image: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(image);
  const [width, height] = [pick(SIDES, random), pick(SIDES, random)];
  const u16 = (value: number): number => value & 0xffff;
  if (bytes.subarray(1, 4).equals(Buffer.from('PNG'))) {
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
    bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  } else if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    const frame = [0xc0, 0xc1, 0xc2].map((marker) => bytes.indexOf(Buffer.of(0xff, marker))).find((at) => at > 0);
    if (frame === undefined) return bytes;
    bytes.writeUInt16BE(u16(height), frame + 5);
    bytes.writeUInt16BE(u16(width), frame + 7);
  } else if (bytes.subarray(0, 3).equals(Buffer.from('GIF'))) {
    const frame = bytes.indexOf(0x2c);
    for (const at of [6, frame + 5]) {
      if (at + 4 > bytes.length) continue;
      bytes.writeUInt16LE(u16(width), at);
      bytes.writeUInt16LE(u16(height), at + 2);
    }
  } else if (bytes.subarray(8, 12).equals(Buffer.from('WEBP'))) {
    lieInWebp(bytes, width, height);
  } else if (/^(II\*\0|MM\0\*)/.test(bytes.toString('latin1', 0, 4))) {
    lieInTiff(bytes, random);
  } else {
    // AVIF and HEIC: the property `ispe` holds version, width and height.
    const property = bytes.indexOf('ispe');
    if (property < 0) return bytes;
    bytes.writeUInt32BE(width, property + 8);
    bytes.writeUInt32BE(height, property + 12);
  }
  return bytes;
}

function lieInWebp(bytes: Buffer, width: number, height: number): void {
  const [lossy, lossless, extended] = ['VP8 ', 'VP8L', 'VP8X'].map((chunk) => bytes.indexOf(chunk, 12));
  if (lossy !== undefined && lossy > 0) {
    bytes.writeUInt16LE(width & 0x3fff, lossy + 14);
    bytes.writeUInt16LE(height & 0x3fff, lossy + 16);
  }
  if (lossless !== undefined && lossless > 0) {
    bytes.writeUInt32LE(((width & 0x3fff) | ((height & 0x3fff) << 14)) >>> 0, lossless + 9);
  }
  if (extended !== undefined && extended > 0) {
    bytes.writeUIntLE(width & 0xffffff, extended + 12, 3);
    bytes.writeUIntLE(height & 0xffffff, extended + 15, 3);
  }
}

/** Changes the count or the value of one entry of the first directory. */
function lieInTiff(bytes: Buffer, random: Random): void {
  const little = bytes[0] === 0x49;
  const u16 = (at: number): number => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const directory = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
  const entries = Array.from({ length: u16(directory) }, (_, index) => directory + 2 + 12 * index);
  const sized = entries.filter((at) => TIFF_TAGS.includes(u16(at)));
  const at = pick(sized, random) + (random.next() < 0.3 ? 4 : 8);
  if (little) bytes.writeUInt32LE(pick(SIDES, random), at);
  else bytes.writeUInt32BE(pick(SIDES, random), at);
}
