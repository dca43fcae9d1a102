import type { IccMode } from './crop.ts';
import type { ImageHeader } from './header.ts';
import { type JpegHeader, JpegReader } from './jpeg/jpeg-file.ts';
import { hasPixelKernel } from './pixel-kernel.ts';

/** Of a photo of 12 megapixels at a fraction of its size, libjpeg's own code decodes more a millisecond. */
const MAX_PIXELS = 2_500_000;

/**
 * The header of a JPEG that libvips need not open twice, or not at all: for a photo of 500 x 375 pixels, its pipelines
 * take longer than decoding does. Undefined for every other file, damaged ones among them.
 * @param maxPixels the largest allowed product of width and height
 */
export function plainJpeg(bytes: Uint8Array, maxPixels: number, icc: IccMode = 'ignore'): JpegHeader | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || !hasPixelKernel()) return undefined;
  try {
    const header = new JpegReader(bytes).header();
    const { width, height, hasProfile } = header;
    const isTaken = width * height <= Math.min(maxPixels, MAX_PIXELS) && !(hasProfile && icc === 'convert');
    return isTaken ? header : undefined;
  } catch {
    // What is wrong with it is found out by the decoder that takes everything.
    return undefined;
  }
}

/** What libvips would say of its header. */
export function plainHeader({ width, height }: JpegHeader): ImageHeader {
  return {
    format: 'jpeg',
    width,
    height,
    orientation: 1,
    turned: false,
    plainCmyk: false,
    otherSample: false,
    profile: undefined,
  };
}
