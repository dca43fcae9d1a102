import type { Sharp } from 'sharp';
import type { IccMode } from './crop.ts';
import { type ImageHeader, readHeader } from './header.ts';
import { corrupt } from './image-faults.ts';
import { decodeJpegInThread } from './pixel-jobs.ts';
import { plainHeader, plainJpeg } from './plain-jpeg.ts';
import { type ImageWarning, type ReadImage, type ReadOptions, readImage } from './read-image.ts';
import type { RgbImage } from './resample.ts';

/** An upright image, and what is known of its file. */
export interface DecodedImage extends RgbImage {
  readonly format: string;
  readonly warnings: readonly ImageWarning[];
}

/** Calls `decode` once an image of so many pixels may be decoded. The signal says that nobody waits for it any more. */
export type DecodeTurn = <T>(pixels: number, decode: (signal?: AbortSignal) => Promise<T>) => Promise<T>;

/** For callers that bound their decoding themselves. */
export const decodeNow: DecodeTurn = (_pixels, decode) => decode();

/**
 * Opens an image whose header has been read; see `readImage`.
 * @throws AppError `corrupt_image`, or `unsupported_image` when the file's compression is not built in
 */
export async function openImage<T>(
  bytes: Uint8Array,
  header: ImageHeader,
  read: (image: Sharp) => Promise<T>,
  options: ReadOptions = {},
): Promise<ReadImage<T>> {
  try {
    return await readImage(bytes, header, read, options);
  } catch (thrown) {
    // The reason of a client that left is no fault of the image.
    throw options.signal?.aborted && thrown === options.signal.reason ? thrown : corrupt(thrown);
  }
}

/**
 * Runs a pipeline and returns 8-bit RGB pixels. Transparency becomes white, as such images mostly appear on white
 * pages; grey becomes three equal channels; CMYK and 16-bit images become 8-bit sRGB.
 */
export async function toPixels(pipeline: Sharp): Promise<RgbImage> {
  const { data, info } = await pipeline
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
  return { pixels: data, width: info.width, height: info.height };
}

/**
 * Decodes the first page of an image at its full size.
 * @param maxPixels the largest allowed product of width and height
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function decodeImage(bytes: Uint8Array, maxPixels: number, icc?: IccMode): Promise<DecodedImage> {
  const jpeg = plainJpeg(bytes, maxPixels, icc);
  const plain = jpeg?.progressive === false ? await decodeJpegInThread(bytes) : undefined;
  if (plain !== undefined) return { ...plain, format: 'jpeg', warnings: [] };
  const header = jpeg?.progressive ? plainHeader(jpeg) : await readHeader(bytes, maxPixels);
  const { value, warnings } = await openImage(bytes, header, (image) => toPixels(image.autoOrient()), { icc });
  return { ...value, format: header.format, warnings };
}
