import { openImage, readHeader } from './decode.ts';

const QUALITY = 70;

/**
 * A small JPEG of an image, upright and no longer than `side` pixels, as a data URI for a page that must stand alone.
 * @throws AppError as `decodeImage` does
 */
export async function thumbnail(bytes: Uint8Array, side: number, maxPixels: number): Promise<string> {
  const header = await readHeader(bytes, maxPixels);
  const jpeg = await openImage(bytes, header)
    .autoOrient()
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: QUALITY })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}
