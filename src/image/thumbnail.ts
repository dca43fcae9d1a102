import { openImage } from './decode.ts';
import { readHeader } from './header.ts';

/** JPEG quality, 1..100. */
const QUALITY = 70;

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
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}
