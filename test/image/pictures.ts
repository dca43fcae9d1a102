import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** RGB of one pixel at a place. */
type Paint = (x: number, y: number) => readonly [number, number, number];

/** An RGB picture to be encoded. */
export function picture(width: number, height: number, paint: Paint): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels.set(paint(x, y), (y * width + x) * 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Smooth waves with some texture: compresses like a photo and shows every shift. */
export const waves: Paint = (x, y) => [
  Math.round(128 + 90 * Math.sin(x / 9) + 30 * Math.sin((x * y) / 50)),
  Math.round(128 + 90 * Math.cos(y / 7) + 30 * Math.sin(x / 2)),
  Math.round(128 + 100 * Math.sin((x + y) / 15)),
];

/** Red above, blue below. */
export const redOverBlue =
  (height: number): Paint =>
  (_, y) =>
    y < height / 2 ? [255, 0, 0] : [0, 0, 255];

/** A grey PNG of `width` x `height` black pixels, written by hand: a picture of any size out of few bytes. */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const rows = Buffer.alloc((Math.ceil(width / 8) + 1) * height);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A grey TIFF of 2 x 1 samples: all bits 0, then all bits 1. @param sampleFormat 1 unsigned, 2 signed, 3 float */
export function greyTiff(sampleFormat: number, bits: number): Buffer {
  const samples = Buffer.concat([Buffer.alloc(bits / 8, 0), Buffer.alloc(bits / 8, 255)]);
  return tiff(samples, { 258: bits, 339: sampleFormat });
}

/** A TIFF of 2 x 1 pixels, grey ones of 8 bits unless `tags` says something else. */
export function tiff(samples: Buffer, tags: Readonly<Record<number, number>>): Buffer {
  const usual = { 256: 2, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: samples.length };
  const entries = Object.entries({ ...usual, ...tags }).map(([tag, value]) => [Number(tag), value] as const);
  const file = Buffer.alloc(8 + samples.length + 2 + entries.length * 12 + 4);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(8 + samples.length, 4);
  samples.copy(file, 8);
  let at = file.writeUInt16LE(entries.length, 8 + samples.length);
  for (const [tag, value] of entries) {
    at = file.writeUInt16LE(tag, at);
    // The kind LONG, and one of it.
    at = file.writeUInt16LE(4, at);
    at = file.writeUInt32LE(1, at);
    at = file.writeUInt32LE(value, at);
  }
  return file;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  frame.set(body, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}
