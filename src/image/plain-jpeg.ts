import type { IccMode } from './crop.ts';
import { type JpegHeader, JpegReader } from './jpeg/jpeg-file.ts';
import { hasPixelKernel } from './pixel-kernel.ts';

/** Larger images need much memory in a thread that keeps it; libvips streams them. */
const MAX_PIXELS = 16_000_000;

/**
 * The header of a JPEG that may be decoded without libvips, whose pipelines take longer for a photo of 500 x 375 pixels
 * than decoding does. Undefined for every other file, damaged ones among them.
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
