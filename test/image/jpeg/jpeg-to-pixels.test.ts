import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { NotTaken } from '../../../src/image/jpeg/jpeg-file.ts';
import { decodeJpeg, resizeJpeg } from '../../../src/image/jpeg/jpeg-to-pixels.ts';
import { picture, waves } from '../pictures.ts';

/** The pixels of libjpeg-turbo, which libvips decodes with. */
const libjpeg = (file: Uint8Array) => sharp(file).toColourspace('srgb').raw().toBuffer();
const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Chroma of half the width, and a restart marker after every second unit. */
const HALF_WIDTH_WITH_RESTARTS = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAYACgDASEAAhEBAxEB/8QAGQAAAgMBAAAAAAAAAAAAAAAAAAUBAgQD/8QAHRAAAQUBAAMAAAAAAAAAAAAAAAECAxExBAUhQf/EABgBAQEBAQEAAAAAAAAAAAAAAAQFAQID/8QAHhEAAgIDAAMBAAAAAAAAAAAAAAECAwQREhMhIyL/3QAEAAL/2gAMAwEAAhEDEQA/AGsPU2tJl7G1p6+PhGqp8C2ftbenOPsaq6Tr05E1Uvs//9BhD1NrQJsMZtCIVPQnjleiFJpn19L2TNL0NjFcH//RRyyPVfpMLn2ZCCmztxXYyhc+gKEKkkVYJaP/0tDOL1hWXhtMAX5PUxUbvmYn+P8AeHWHx6Xg/GfrZJlf9D//090fCiJgCpX6ehUL/wAn/9k=',
  'base64',
);

/** 48 x 32 pixels; below are the SHA-256 of the pixels that Pillow 13 decodes it to with `draft`. */
const HALF_CHROMA = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAAgADADASIAAhEBAxEB/8QAGQAAAwEBAQAAAAAAAAAAAAAAAgMFBgQH/8QAHhAAAQQDAQEBAAAAAAAAAAAAAQACAwQFITESEUH/xAAWAQADAAAAAAAAAAAAAAAAAAAEBQb/xAAdEQACAwADAQEAAAAAAAAAAAABAwACBAUREhUh/9oADAMBAAIRAxEAPwDQVr7A0bCKxkmBp2FkYZ5Q39SrViXydlGPUtP4DGFeOqVSvayjPR2EqHJMLurJ2JpS79RVZJS4dSlmYvPQiX59Q2eg1r7CBsJ0t5nnoWUqvl8jqKxNKG/qOx8PSh9Wjy+GpTLEWMHziXYxX0cVGC7GR0I5bUZHQp1mnQ9vQg9XOCZmJcOC7idVw4+jSpy2o/XQjguRA9CpMaGUp6tJu2hxdDgxIDeJdrGDydKnHfj89C57V6Mg7CE2ciyh81lAGuKZ/9k=',
  'base64',
);

describe('decodeJpeg gives the pixels of libjpeg, bit for bit', () => {
  it.each([
    [64, 48],
    [67, 45],
    [17, 16],
    [16, 33],
    [250, 131],
  ])('of %i x %i pixels', async (width, height) => {
    for (const chromaSubsampling of ['4:4:4', '4:2:0']) {
      for (const quality of [10, 60, 98]) {
        const file = await picture(width, height, waves).jpeg({ chromaSubsampling, quality }).toBuffer();
        const image = decodeJpeg(file);
        expect(image).toMatchObject({ width, height });
        expect(isSame(image.pixels, await libjpeg(file))).toBe(true);
      }
    }
  });

  it('of a grey picture', async () => {
    const file = await picture(45, 37, waves).toColourspace('b-w').jpeg().toBuffer();
    expect(isSame(decodeJpeg(file).pixels, await libjpeg(file))).toBe(true);
  });

  it('with restart markers and chroma of half the width', async () => {
    const { pixels } = decodeJpeg(HALF_WIDTH_WITH_RESTARTS);
    expect(isSame(pixels, await libjpeg(HALF_WIDTH_WITH_RESTARTS))).toBe(true);
  });

  it.each([
    [2, '6f91694b3adb5147f171b7719ce56955374a0284f11ecba91e6268919bc30046'],
    [4, '3830e04ac53ef65286b27dab573b6d303f9d211f65ad346dae0e20f3b7de2dc6'],
    [8, '90670479bcee14d197eb82d1f5a34f24a3112c11dcc96de3bd1878dac4cfffea'],
  ] as const)('shrunk to 1/%i', (shrink, digest) => {
    const [width, height] = [48 / shrink, 32 / shrink];
    const window = { left: 0, top: 0, width, height };
    const pixels = resizeJpeg(HALF_CHROMA, shrink, { width, height, window, interpolation: 'bilinear' });
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(digest);
  });
});

describe('resizeJpeg', () => {
  it.each([
    [20, 10],
    [101, 70],
    [400, 260],
  ])('gives what resizing all pixels to %i x %i gives', async (width, height) => {
    const { fastResample } = await import('../../../src/image/fast-resample.ts');
    const file = await picture(202, 131, waves).jpeg().toBuffer();
    const window = { left: width >> 2, top: height >> 3, width: width >> 1, height: height >> 1 };
    const whole = fastResample(decodeJpeg(file), width, height, window, 'bicubic');
    expect(isSame(resizeJpeg(file, 1, { width, height, window, interpolation: 'bicubic' }), whole)).toBe(true);
  });
});

describe('another decoder takes', () => {
  const taken = (file: Uint8Array) => () => decodeJpeg(file);
  const plain = picture(64, 48, waves).jpeg().toBuffer();

  it('progressive files', async () => {
    expect(taken(await picture(64, 48, waves).jpeg({ progressive: true }).toBuffer())).toThrow(NotTaken);
  });

  it('files that are not upright', async () => {
    const turned = await picture(64, 48, waves).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(taken(turned)).toThrow(NotTaken);
  });

  it('files whose orientation is told twice', async () => {
    const file = await picture(64, 48, waves).withMetadata({ orientation: 1 }).jpeg().toBuffer();
    decodeJpeg(file);
    const exif = file.indexOf('Exif') - 4;
    const again = file.subarray(exif, exif + 2 + file.readUInt16BE(exif + 2));
    expect(taken(Buffer.concat([file.subarray(0, exif), again, file.subarray(exif)]))).toThrow(NotTaken);
    // The second entry of the directory becomes another orientation.
    const tiff = exif + 10;
    const little = file.toString('latin1', tiff, tiff + 2) === 'II';
    const short = (value: number) => (little ? Buffer.from([value, 0]) : Buffer.from([0, value]));
    const entry = (value: number) =>
      Buffer.concat([
        little ? Buffer.from([0x12, 1, 3, 0, 1, 0, 0, 0]) : Buffer.from([1, 0x12, 0, 3, 0, 0, 0, 1]),
        short(value),
        Buffer.alloc(2),
      ]);
    const twice = Buffer.from(file);
    entry(1).copy(twice, tiff + 10);
    entry(6).copy(twice, tiff + 22);
    expect(twice.readUInt8(tiff + (little ? 8 : 9))).toBeGreaterThanOrEqual(2);
    expect(taken(twice)).toThrow(NotTaken);
  });

  it.each([
    ['a grey component without sampling factors', 0xc0, 11, 0x00],
    ['a Huffman table of a number that does not exist', 0xc4, 4, 0x05],
    ['divisors of a number that does not exist', 0xdb, 4, 0x04],
  ])('%s, which libjpeg refuses', async (_what, marker, offset, value) => {
    const file = await picture(45, 37, waves).toColourspace('b-w').jpeg().toBuffer();
    const at = file.indexOf(Buffer.of(0xff, marker));
    // What is needed is there as well.
    const length = 2 + file.readUInt16BE(at + 2);
    const damaged =
      marker === 0xc0 ? Buffer.from(file) : Buffer.concat([file.subarray(0, at + length), file.subarray(at)]);
    damaged[at + offset] = value;
    await expect(libjpeg(damaged)).rejects.toThrow();
    expect(taken(damaged)).toThrow(NotTaken);
  });

  it.each([
    ['has a code of ones only', 15, 16],
    ['has more bits of a DC coefficient than there are', 15, 1],
  ])('a Huffman table that %s, which libjpeg refuses', async (_what, index, codes) => {
    const file = await picture(45, 37, waves).toColourspace('b-w').jpeg({ optimiseCoding: false }).toBuffer();
    const at = file.indexOf(Buffer.from([0xff, 0xc4, 0, 31, 0]));
    const counts = Buffer.alloc(17);
    file.copy(counts, 1, at + 5, at + 21);
    const symbols = [...file.subarray(at + 21, at + 33)];
    // Codes of nine bits end with 111111110; what follows is not used by the picture.
    counts[index + 1] = codes === 1 ? 1 : 128;
    const added = codes === 1 ? [16] : Array.from({ length: 128 }, () => 0);
    const segment = Buffer.concat([Buffer.from([0xff, 0xc4, 0, 0]), counts, Buffer.from([...symbols, ...added])]);
    segment.writeUInt16BE(segment.length - 2, 2);
    const damaged = Buffer.concat([file.subarray(0, at), segment, file.subarray(at + 33)]);
    await expect(libjpeg(damaged)).rejects.toThrow('Bogus Huffman table definition');
    expect(taken(damaged)).toThrow(NotTaken);
  });

  it('files of thousands of tables, whose header would take the thread that answers requests seconds', () => {
    const tables = Buffer.alloc(18 * 3_600);
    for (let at = 0; at < tables.length; at += 18) tables.set([1, at / 18], at + 16);
    const head = Buffer.from([0xff, 0xd8, 0xff, 0xc4, 0, 0]);
    head.writeUInt16BE(tables.length + 2, 4);
    expect(taken(Buffer.concat([head, tables]))).toThrow('too many parts');
  });

  it('CMYK', async () => {
    expect(taken(await picture(64, 48, waves).toColourspace('cmyk').jpeg().toBuffer())).toThrow(NotTaken);
  });

  it('files that end early, wherever the cut is', async () => {
    const file = await plain;
    for (let end = 0; end < file.length; end += 7) expect(taken(file.subarray(0, end))).toThrow(NotTaken);
    expect(taken(file.subarray(0, -1))).toThrow(NotTaken);
  });

  it('files with damage that shows, and never more than the memory of its size', async () => {
    const file = await plain;
    for (let at = 2; at < file.length; at += 1) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      try {
        const { width, height, pixels } = decodeJpeg(damaged);
        expect(pixels).toHaveLength(width * height * 3);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(NotTaken);
      }
    }
  });
});
