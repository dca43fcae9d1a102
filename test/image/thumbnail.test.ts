import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { thumbnail } from '../../src/image/thumbnail.ts';
import { picture } from './pictures.ts';

const MAX_PIXELS = 1_000_000;

async function decoded(uri: string) {
  const [head, base64 = ''] = uri.split(',');
  expect(head).toBe('data:image/jpeg;base64');
  return sharp(Buffer.from(base64, 'base64')).metadata();
}

describe('a thumbnail', () => {
  it('keeps the proportions', async () => {
    const file = await picture(200, 100, (x, y) => [x, y, 0])
      .png()
      .toBuffer();
    expect(await decoded(await thumbnail(file, 64, MAX_PIXELS))).toMatchObject({ width: 64, height: 32 });
  });

  it('is not larger than the image', async () => {
    const file = await picture(20, 10, (x, y) => [x, y, 0])
      .png()
      .toBuffer();
    expect(await decoded(await thumbnail(file, 64, MAX_PIXELS))).toMatchObject({ width: 20, height: 10 });
  });

  it('is refused for a file that is not an image', async () => {
    await expect(thumbnail(Buffer.from('text'), 64, MAX_PIXELS)).rejects.toMatchObject({ code: 'unsupported_image' });
  });
});
