import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../src/common/errors.ts';
import { type DecodedImage, decodeImage } from '../../src/image/decode.ts';
import { decodeHeic } from '../../src/image/heic-decoder.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { codedTile, colourProfile, exifItem, grid, heicCase, heif, mirror, rotation } from './heif.ts';

const MAX_PIXELS = 50_000_000;
const decode = (bytes: Uint8Array) => decodeImage(bytes, MAX_PIXELS);
const refusal = (bytes: Uint8Array): Promise<AppError> =>
  decode(bytes).then(
    () => expect.unreachable('it was decoded'),
    (error) => error,
  );
const pixelAt = ({ pixels, width }: DecodedImage, x: number, y: number) => [
  ...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];
/** Where the red corner of the drawing is: at the left or right, at the top or bottom. */
const redCorner = (image: DecodedImage): string => {
  const isRed = (x: number, y: number): boolean => {
    const [red = 0, green = 0, blue = 0] = pixelAt(image, x, y);
    return red > 180 && green < 80 && blue < 80;
  };
  const [right, bottom] = [image.width - 6, image.height - 6];
  const corners = {
    'top left': [5, 5],
    'top right': [right, 5],
    'bottom left': [5, bottom],
    'bottom right': [right, bottom],
  };
  return Object.entries(corners)
    .filter(([, [x = 0, y = 0]]) => isRed(x, y))
    .map(([name]) => name)
    .join(' and ');
};

describe('HEIC', () => {
  it.each(['plain', 'odd-size', 'alpha', 'premultiplied', 'ten-bit', 'second-is-primary'])(
    '%s has the pixels that pillow-heif gives, on white',
    async (name) => {
      const image = await decode(heicCase(`${name}.heic`));
      const right = await decode(heicCase(`${name}.png`));
      expect(image).toMatchObject({ format: 'heic', width: right.width, height: right.height });
      const off = image.pixels.map((value, at) => Math.abs(value - (right.pixels[at] ?? 0)));
      // libheif's versions differ in how they enlarge the halved colours.
      expect(Math.max(...off)).toBeLessThanOrEqual(12);
      expect(off.reduce((sum, value) => sum + value) / off.length).toBeLessThan(1);
    },
  );

  it('is put together of tiles, as phones store their photos', async () => {
    const tile = await decode(heicCase('plain.heic'));
    const tiles = Array.from({ length: 6 }, () => codedTile());
    const image = await decode(heif([grid([2, 3], [150, 100], [2, 3, 4, 5, 6, 7]), ...tiles], 1));
    expect([image.width, image.height]).toEqual([150, 100]);
    for (const [x, y] of [
      [3, 3],
      [140, 90],
      [70, 80],
    ] as const) {
      expect(pixelAt(image, x, y)).toEqual(pixelAt(tile, x % 64, y % 64));
    }
  });

  it('is turned and mirrored once, whatever EXIF says beside it', async () => {
    const turned = (orientation: number, ...properties: Buffer[]) =>
      decode(heif([codedTile(64, 64, ...properties), exifItem(orientation, 1)], 1)).then(redCorner);
    expect(await turned(1)).toBe('top left');
    expect(await turned(6)).toBe('top left');
    expect(await turned(6, rotation(3))).toBe('top right');
    expect(await turned(1, rotation(2))).toBe('bottom right');
    expect(await turned(1, mirror('left and right'))).toBe('top right');
    expect(await turned(1, mirror('top and bottom'))).toBe('bottom left');
  });

  it('has its turned size in its header, so that the crop is right', async () => {
    const tiles = [codedTile(), codedTile()];
    const wide = heif([grid([1, 2], [128, 64], [2, 3], rotation(1)), ...tiles], 1);
    const recipe = { inputSize: [32, 32], resizeMode: 'stretch', cropPct: 1, interpolation: 'bilinear' } as const;
    expect(await preprocessImage(wide, recipe, MAX_PIXELS)).toMatchObject({ width: 64, height: 128, format: 'heic' });
  });
});

describe('colour profiles that are converted', () => {
  const convert = (bytes: Uint8Array) => decodeImage(bytes, MAX_PIXELS, 'convert');
  const inP3 = () => sharp(heicCase('plain.png')).withIccProfile('p3', { attach: true }).png().toBuffer();

  it('give the colours of sRGB back', async () => {
    const source = await decode(heicCase('plain.png'));
    const converted = await convert(await inP3());
    const off = converted.pixels.map((value, at) => Math.abs(value - (source.pixels[at] ?? 0)));
    expect(off.reduce((sum, value) => sum + value) / off.length).toBeLessThan(1);
  });

  it('are those of HEIC photos too, as of a PNG of the same pixels', async () => {
    const { icc = Buffer.alloc(0) } = await sharp(await inP3()).metadata();
    const photo = heif([codedTile(64, 64, colourProfile(icc))], 1);
    const [stored, converted] = [await decode(photo), await convert(photo)];
    // Red of Display P3 is more than red of sRGB.
    expect(pixelAt(stored, 5, 5)).toEqual(pixelAt(await decode(heicCase('plain.heic')), 5, 5));
    const [red = 0, green = 255] = pixelAt(converted, 5, 5);
    expect(red).toBeGreaterThan((pixelAt(stored, 5, 5)[0] ?? 0) + 8);
    expect(green).toBeLessThan(pixelAt(stored, 5, 5)[1] ?? 0);
  });

  it('do not change images without one', async () => {
    for (const name of ['alpha.heic', 'plain.heic', 'plain.png']) {
      const file = heicCase(name);
      expect(Buffer.compare((await convert(file)).pixels, (await decode(file)).pixels)).toBe(0);
    }
  });
});

describe('HEIC that is broken or made to break', () => {
  it.each([0.2, 0.5, 0.7, 0.9])('cut short to a share of %d', async (share) => {
    const file = heicCase('plain.heic');
    expect(await refusal(file.subarray(0, file.length * share))).toMatchObject({ code: 'corrupt_image' });
  });

  it('with more pixels than allowed, before any is decoded', async () => {
    const tiles = [codedTile()];
    const error = await refusal(heif([grid([1, 1], [9_000, 9_000], [2]), ...tiles], 1));
    expect(error).toMatchObject({ code: 'image_too_large', context: { width: 9_000, height: 9_000 } });
  });

  it.each([
    ['a picture that is not of the size it claims', heif([codedTile(4_000, 4_000)], 1)],
    ['a grid of itself', heif([grid([1, 1], [64, 64], [1])], 1)],
    ['a grid without its tiles', heif([grid([8, 8], [512, 512], [2]), codedTile()], 1)],
    [
      'grids of grids, each twice as large',
      heif(
        [...Array.from({ length: 12 }, (_, depth) => grid([1, 2], [128, 64], [depth + 2, depth + 2])), codedTile()],
        1,
      ),
    ],
    ['a primary image that does not exist', heif([codedTile()], 7)],
    ['coded data of another kind', heif([{ ...codedTile(), data: Buffer.alloc(2_000, 0x5a) }], 1)],
  ])('%s', async (_, file) => {
    expect((await refusal(file)).code).toMatch(/^(corrupt_image|unsupported_image)$/);
    // The decoder works on.
    await expect(decode(heicCase('plain.heic'))).resolves.toMatchObject({ width: 64 });
  });

  it('bytes that were changed give an image or an error, and nothing else', async () => {
    const file = heicCase('plain.heic');
    for (let at = 30; at < file.length; at += 23) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      const outcome = await decode(changed).then(
        ({ pixels, width, height }) => (pixels.length === width * height * 3 ? 'decoded' : 'wrong'),
        ({ code }: AppError) => code,
      );
      expect(outcome).toMatch(/^(decoded|corrupt_image|unsupported_image|image_too_large)$/);
    }
  });

  it('is decoded no longer once nobody waits for it', async () => {
    const tiles = Array.from({ length: 256 }, () => codedTile());
    const bytes = heif(
      [
        grid(
          [16, 16],
          [1024, 1024],
          tiles.map((_, index) => index + 2),
        ),
        ...tiles,
      ],
      1,
    );
    const client = new AbortController();
    const decoding = decodeHeic({ bytes, width: 1024, height: 1024 }, client.signal);
    client.abort(new Error('the client is gone'));
    await expect(decoding).rejects.toThrow('the client is gone');
    await expect(decode(heicCase('plain.heic'))).resolves.toMatchObject({ width: 64 });
  });
});

it.each(['jpeg', 'png', 'webp', 'tiff', 'avif'] as const)('%s too is turned once', async (format) => {
  const file = sharp(heicCase('plain.png')).withMetadata({ orientation: 6 }).toFormat(format, { quality: 90 });
  const image = await decode(await file.toBuffer());
  expect([image.format, redCorner(image)]).toEqual([format, 'top right']);
});
