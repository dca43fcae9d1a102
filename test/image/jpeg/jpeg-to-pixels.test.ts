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
