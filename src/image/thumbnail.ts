import sharp from 'sharp';
import { openImage } from './decode.ts';
import { readHeader } from './header.ts';
import type { RgbImage } from './resample.ts';

/** JPEG quality, 1..100. */
const QUALITY = 70;
/** Of corrupted pictures: noise and blocks of their own are to be seen. */
const PIXEL_QUALITY = 85;

/**
 * Makes a small upright JPEG of an image, at most `side` pixels a side, as a data URI for a self-contained page.
 * @throws AppError as `decodeImage` does
 */
export async function thumbnail(bytes: Uint8Array, side: number, maxPixels: number): Promise<string> {
  const header = await readHeader(bytes, maxPixels);
  const { value: jpeg } = await openImage(bytes, header, (image) =>
    image
      .autoOrient()
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .jpeg({ quality: QUALITY })
      .toBuffer(),
  );
  return dataUri(jpeg);
}

/** The same of pixels. They are enlarged too: what befell them is to be seen. */
export async function thumbnailOf({ pixels, width, height }: RgbImage, side: number): Promise<string> {
  const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(side, side, { fit: 'inside', kernel: 'nearest' })
    .jpeg({ quality: PIXEL_QUALITY })
    .toBuffer();
  return dataUri(jpeg);
}

function dataUri(jpeg: Buffer): string {
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}
