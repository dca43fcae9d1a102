import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../src/common/errors.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { readHeader } from '../../src/image/header.ts';
import { blackPng, greyTiff, picture, redOverBlue, tiff, waves } from './pictures.ts';

const MAX_PIXELS = 50_000_000;
const decode = (bytes: Uint8Array) => decodeImage(bytes, MAX_PIXELS);
const refusal = async (bytes: Uint8Array): Promise<AppError> =>
  decode(bytes).then(
    () => expect.unreachable('it was decoded'),
    (error) => error,
  );

describe('decodeImage', () => {
  it.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)('reads %s', async (format) => {
    const image = await decode(
      await picture(40, 30, () => [200, 100, 50])
        .toFormat(format)
        .toBuffer(),
    );
    expect(image).toMatchObject({ format, width: 40, height: 30 });
    expect(image.pixels).toHaveLength(40 * 30 * 3);
    const [red = 0, green = 0, blue = 0] = image.pixels;
    expect([red - 200, green - 100, blue - 50].map(Math.abs).every((off) => off <= 8)).toBe(true);
  });

  it('returns exactly the pixels of a lossless file', async () => {
    const source = picture(31, 17, waves);
    const raw = await source.clone().raw().toBuffer();
    expect(Buffer.compare((await decode(await source.png().toBuffer())).pixels, raw)).toBe(0);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns a photo of EXIF orientation %i upright', async (orientation) => {
    // The upright picture is red above blue, 20 wide and 12 high; it is stored as a camera held that way would.
    const turns = [0, 0, 0, 180, 180, 270, 270, 90, 90][orientation] ?? 0;
    const stored = await picture(20, 12, redOverBlue(12)).rotate(turns).png().toBuffer();
    const image = await decode(await sharp(stored).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer());
    expect([image.width, image.height]).toEqual([20, 12]);
    const pixel = (x: number, y: number) => [...image.pixels.subarray((y * 20 + x) * 3, (y * 20 + x) * 3 + 3)];
    expect(pixel(10, 1)[0]).toBeGreaterThan(200);
    expect(pixel(10, 10)[2]).toBeGreaterThan(200);
  });

  it('converts grey to RGB, and transparency to white', async () => {
    const greyAlpha = Buffer.from([90, 255, 90, 0]);
    const file = await sharp(greyAlpha, { raw: { width: 2, height: 1, channels: 2 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect([...(await decode(file)).pixels]).toEqual([90, 90, 90, 255, 255, 255]);
  });

  it('converts 16 bits to 8', async () => {
    const file = await picture(8, 8, () => [10, 128, 250])
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).depth).toBe('ushort');
    expect([...(await decode(file)).pixels.subarray(0, 3)]).toEqual([10, 128, 250]);
  });

  it('converts CMYK to RGB', async () => {
    const file = await picture(16, 16, () => [200, 30, 30])
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    expect((await sharp(file).metadata()).space).toBe('cmyk');
    const [red = 0, green = 0, blue = 0] = (await decode(file)).pixels;
    expect(red).toBeGreaterThan(150);
    expect(Math.max(green, blue)).toBeLessThan(90);
  });

  it('ignores colour profiles, as the training of the networks did', async () => {
    const plain = await picture(16, 16, waves).png().toBuffer();
    const tagged = await sharp(plain).withIccProfile('p3', { attach: true }).png().toBuffer();
    const stored = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer();
    expect(Buffer.compare((await decode(tagged)).pixels, stored)).toBe(0);
  });

  it('decodes the first frame of an animation', async () => {
    const frames = await Promise.all(
      (['#ff0000', '#0000ff'] as const).map((background) =>
        sharp({ create: { width: 10, height: 10, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const image = await decode(gif);
    expect([image.width, image.height, ...image.pixels.subarray(0, 3)]).toEqual([10, 10, 255, 0, 0]);
  });
});

describe('files that are refused', () => {
  it('an empty one', async () => {
    expect(await refusal(new Uint8Array(0))).toMatchObject({ code: 'empty_image' });
  });

  it('text, with the supported formats in the message', async () => {
    const error = await refusal(Buffer.from('this is no photograph\n'));
    expect(error.code).toBe('unsupported_image');
    expect(error.message).toBe('The file is text; send JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC.');
  });

  it('bytes of no format', async () => {
    expect(await refusal(Buffer.from([0, 1, 2, 3, 4, 250]))).toMatchObject({ code: 'unsupported_image' });
  });

  it('an SVG drawing, with or without a prologue', async () => {
    const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>';
    for (const text of [drawing, `<?xml version="1.0"?>\n${drawing}`]) {
      const error = await refusal(Buffer.from(text));
      expect(error.code).toBe('unsupported_image');
      expect(error.message).toContain('an SVG drawing');
    }
  });

  it.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)('a %s cut short anywhere', async (format) => {
    const file = await picture(90, 120, waves).toFormat(format).toBuffer();
    for (const share of [0.05, 0.5, 0.98]) {
      const error = await refusal(file.subarray(0, Math.floor(file.length * share)));
      expect(error.code).toBe('corrupt_image');
      expect(error.message).toContain('cut short');
    }
  });

  it('a TIFF without its directory, as damaged and not as an unknown format', async () => {
    const file = await picture(20, 20, waves).tiff().toBuffer();
    expect(await refusal(file.subarray(0, file.length >> 1))).toMatchObject({ code: 'corrupt_image' });
  });

  it('too many pixels, before any is decoded', async () => {
    const error = await refusal(blackPng(30_000, 2_000).subarray(0, 200));
    expect(error.code).toBe('image_too_large');
    expect(error.message).toContain('30000 x 2000 = 60000000 pixels; at most 50000000');
    expect(error.context).toMatchObject({ width: 30_000, height: 2_000, max_pixels: MAX_PIXELS });
  });

  it('but not an image of exactly as many pixels as allowed', async () => {
    const file = await picture(10, 10, waves).png().toBuffer();
    await expect(readHeader(file, 100)).resolves.toMatchObject({ width: 10, height: 10 });
    await expect(readHeader(file, 99)).rejects.toMatchObject({ code: 'image_too_large' });
  });
});

describe('a JPEG without its end marker', () => {
  const photo = picture(90, 120, waves);
  const variants = {
    baseline: () => photo.clone().jpeg(),
    'with colours of full size': () => photo.clone().jpeg({ chromaSubsampling: '4:4:4', quality: 95 }),
    progressive: () => photo.clone().jpeg({ progressive: true }),
    grey: () => photo.clone().greyscale().jpeg(),
  };

  it.each(Object.entries(variants))('is taken when all its rows are there, and said: %s', async (_, make) => {
    const file = await make().toBuffer();
    const whole = await decode(file);
    expect(whole.warnings).toEqual([]);
    for (const missing of [1, 2]) {
      const image = await decode(file.subarray(0, -missing));
      expect(image.warnings).toMatchObject([{ code: 'jpeg_without_end' }]);
      expect(Buffer.compare(image.pixels, whole.pixels)).toBe(0);
    }
  });

  it.each(Object.entries(variants))('is refused when the last of its rows are not: %s', async (_, make) => {
    const file = await make().toBuffer();
    const whole = await decode(file);
    for (let missing = 3; missing < 300; missing += 9) {
      const outcome = await decode(file.subarray(0, -missing)).then(
        ({ pixels }) => Buffer.compare(pixels, whole.pixels) === 0,
        ({ code }: AppError) => code === 'corrupt_image',
      );
      expect([missing, outcome]).toEqual([missing, true]);
    }
  });

  it.each(['restart-rows', 'restart-units', 'restart-grey'])(
    'is refused when anything but the marker is missing: %s',
    async (name) => {
      const file = await readFile(new URL(`../cases/jpeg/${name}.jpg`, import.meta.url));
      const whole = await decode(file);
      expect(whole.warnings).toEqual([]);
      for (const missing of [1, 2]) {
        const image = await decode(file.subarray(0, -missing));
        expect(image.warnings).toMatchObject([{ code: 'jpeg_without_end' }]);
        expect(Buffer.compare(image.pixels, whole.pixels)).toBe(0);
      }
      for (let missing = 3; missing < 600; missing += missing < 30 ? 1 : 19) {
        expect(await refusal(file.subarray(0, -missing))).toMatchObject({ code: 'corrupt_image' });
      }
    },
  );

  it('is refused when the upper half is all there is, although nothing below differs', async () => {
    const file = await picture(40, 256, waves).jpeg().toBuffer();
    for (let share = 0.3; share < 0.7; share += 0.02) {
      expect(await refusal(file.subarray(0, share * file.length))).toMatchObject({ code: 'corrupt_image' });
    }
  });

  it('is refused when whole scans are missing', async () => {
    const progressive = await variants.progressive().toBuffer();
    const lastScan = progressive.lastIndexOf(Buffer.of(0xff, 0xda));
    expect(await refusal(progressive.subarray(0, lastScan))).toMatchObject({ code: 'corrupt_image' });
  });

  it('has it, although something else follows', async () => {
    const file = await variants.baseline().toBuffer();
    expect((await decode(Buffer.concat([file, Buffer.alloc(9, 7)]))).warnings).toEqual([]);
  });
});

describe('CMYK without a profile', () => {
  const readCase = (name: string) => readFile(new URL(`../cases/cmyk/${name}`, import.meta.url));

  it.each(['adobe', 'ycck', 'not-adobe'])('has the colours that Pillow gives it: %s', async (name) => {
    const file = await readCase(`${name}.jpg`);
    const { space, hasProfile } = await sharp(file).metadata();
    expect([space, hasProfile]).toEqual(['cmyk', false]);
    const image = await decode(file);
    const right = await decode(await readCase(`${name}.png`));
    const off = image.pixels.map((value, at) => Math.abs(value - (right.pixels[at] ?? 0)));
    expect(Math.max(...off)).toBeLessThanOrEqual(4);
  });
});

describe('JPEGs of phones', () => {
  it('that have more behind their end, such as a video or other JPEGs, are their first image', async () => {
    const photo = await picture(40, 30, waves).jpeg().toBuffer();
    const other = await picture(8, 8, () => [0, 255, 0])
      .jpeg()
      .toBuffer();
    const video = Buffer.concat([Buffer.from('\0\0\0\x18ftypmp42', 'latin1'), Buffer.alloc(3_000, 0xa5)]);
    const alone = await decode(photo);
    for (const more of [other, video, Buffer.alloc(100)]) {
      const image = await decode(Buffer.concat([photo, more]));
      expect(image.warnings).toEqual([]);
      expect(Buffer.compare(image.pixels, alone.pixels)).toBe(0);
    }
  });
});

describe('TIFF', () => {
  // Numbers of the tag SampleFormat.
  const [UNSIGNED, SIGNED, FLOAT] = [1, 2, 3];

  it.each([
    ['float', FLOAT, 32],
    ['int', SIGNED, 32],
    ['uint', UNSIGNED, 32],
    ['short', SIGNED, 16],
  ])('of %s samples is refused, since nothing says what is white', async (depth, format, bits) => {
    const error = await refusal(greyTiff(format, bits));
    expect(error.code).toBe('unsupported_image');
    expect(error.message).toContain(`"${depth}"`);
    expect(error.message).toContain('8 or 16 bits');
  });

  it('of samples that libvips does not know is refused with the same way out', async () => {
    const error = await refusal(greyTiff(FLOAT, 64));
    expect(error).toMatchObject({ code: 'unsupported_image', message: expect.stringContaining('8 or 16 bits') });
  });

  it.each([8, 16])('of %d bits is taken, from black to white', async (bits) => {
    const [first, second] = (await decode(greyTiff(UNSIGNED, bits))).pixels.filter((_, at) => at % 3 === 0);
    expect([first, second]).toEqual([0, 255]);
  });

  it.each([
    ['a raw photo', { 262: 32_803 }, /raw photo of a camera/],
    ['the preview in a raw photo', { 254: 1, 262: 2, 277: 3, 330: 8 }, /raw photo of a camera/],
    ['compressed by Zstandard', { 259: 50_000 }, /Zstandard.*LZW/],
    ['CIELAB', { 262: 8, 277: 3 }, /CIELAB.*RGB/],
    ['YCbCr without JPEG', { 262: 6, 277: 3 }, /YCbCr.*RGB/],
    ['of many bands', { 277: 5 }, /5 samples a pixel/],
  ])('that is %s is refused by name', async (_, tags, words) => {
    expect(await refusal(tiff(Buffer.alloc(12), tags))).toMatchObject({
      code: 'unsupported_image',
      message: expect.stringMatching(words),
    });
  });

  it('has its colours when a sample follows that is no alpha, such as infrared', async () => {
    const samples = Buffer.from([200, 100, 50, 0, 10, 20, 30, 99]);
    const image = await decode(tiff(samples, { 262: 2, 277: 4, 338: 0 }));
    expect([...image.pixels]).toEqual([200, 100, 50, 10, 20, 30]);
  });
});
