import sharp, { type Metadata, type Sharp } from 'sharp';
import { AppError, messageOf } from '../common/errors.ts';
import type { RgbImage } from './resample.ts';

/** The supported formats, as clients read them. */
const IMAGE_FORMATS = ['JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF'] as const;

// All other loaders are off: above all SVG, which can include other files and has no bound on its cost.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadNsgifBuffer',
    'VipsForeignLoadTiffBuffer',
    'VipsForeignLoadHeifBuffer',
  ],
});
// libuv's threads decode images in parallel, so one thread each. No operation is repeated, so none is cached.
sharp.concurrency(1);
sharp.cache(false);

/** Versions of sharp and of the decoders in it, by name: others may decode the same file to other pixels. */
export const DECODER_VERSIONS: Readonly<Record<string, string | undefined>> = sharp.versions;

/** The header of an image file, which is read without decoding pixels. */
export interface ImageHeader {
  /** `jpeg`, `png`, `webp`, `gif`, `tiff` or `avif`. */
  readonly format: string;
  /** Size in pixels of the upright image. */
  readonly width: number;
  readonly height: number;
  /** Whether the image is stored upright. */
  readonly upright: boolean;
  /** Whether turning it upright swaps width and height. */
  readonly turned: boolean;
}

/** An upright image and the format of its file. */
export interface DecodedImage extends RgbImage {
  readonly format: string;
}

/** Calls `decode` once an image of so many pixels may be decoded. */
export type DecodeTurn = <T>(pixels: number, decode: () => Promise<T>) => Promise<T>;

/** For callers that bound their decoding themselves. */
export const decodeNow: DecodeTurn = (_pixels, decode) => decode();

/**
 * Reads the header only, so that an image of too many pixels costs nothing.
 * @param maxPixels the largest allowed product of width and height
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function readHeader(bytes: Uint8Array, maxPixels: number): Promise<ImageHeader> {
  if (bytes.length === 0) throw new AppError('empty_image', 'The file has 0 bytes; send the bytes of an image.');
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((thrown: unknown) => {
      const unknown = /unsupported image format/.test(messageOf(thrown)) && !SIGNATURES.test(startOf(bytes));
      throw unknown ? unsupported(bytes, thrown) : corrupt(thrown);
    });
  const { width, height } = metadata.autoOrient;
  if (width * height > maxPixels) {
    throw new AppError(
      'image_too_large',
      `The image is ${width} x ${height} = ${width * height} pixels; at most ${maxPixels} are allowed. ` +
        'Scale it down first.',
      { context: { width, height, pixels: width * height, max_pixels: maxPixels } },
    );
  }
  const { orientation = 1 } = metadata;
  return { format: formatName(metadata), width, height, upright: orientation === 1, turned: orientation >= 5 };
}

/**
 * Images of up to this many pixels are decoded into memory as a whole (24 MB); larger ones are streamed. libvips's
 * streams wait for each other: two threads take twice as long to decode photos as streams as they do in memory.
 */
const STREAM_FROM_PIXELS = 8_000_000;

/**
 * Opens an image whose header has been read. Damage fails (`failOn: 'error'`, which includes a file cut short); what
 * decoders merely warn of does not. Embedded colour profiles are ignored, as by the loaders that the networks were
 * trained with.
 */
export function openImage(bytes: Uint8Array, { width, height }: ImageHeader): Sharp {
  const sequentialRead = width * height > STREAM_FROM_PIXELS;
  return sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: false, sequentialRead });
}

/**
 * Runs a pipeline and returns 8-bit RGB pixels. Transparency becomes white, as such images mostly appear on white
 * pages; grey becomes three equal channels; CMYK and 16-bit images become 8-bit sRGB.
 * @throws AppError `corrupt_image`, or `unsupported_image` when the file's compression is not built in
 */
export async function toPixels(pipeline: Sharp): Promise<RgbImage> {
  const { data, info } = await pipeline
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((thrown: unknown) => {
      throw corrupt(thrown);
    });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
  return { pixels: data, width: info.width, height: info.height };
}

/**
 * Decodes the first page of an image at its full size.
 * @param maxPixels the largest allowed product of width and height
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function decodeImage(bytes: Uint8Array, maxPixels: number): Promise<DecodedImage> {
  const header = await readHeader(bytes, maxPixels);
  return { ...(await toPixels(openImage(bytes, header).autoOrient())), format: header.format };
}

function formatName(metadata: Metadata): string {
  return metadata.format === 'heif' && metadata.compression === 'av1' ? 'avif' : metadata.format;
}

/** First bytes of the supported formats. A file that begins so and that no loader accepts is damaged. */
const SIGNATURES = /^(\xff\xd8\xff|\x89PNG|RIFF....WEBP|GIF8[79]a|II\*\0|MM\0\*)/s;

function startOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024)).toString('latin1');
}

function unsupported(bytes: Uint8Array, cause: unknown): AppError {
  const start = startOf(bytes);
  const guess = /<svg[\s>]/i.test(start) ? 'an SVG drawing' : /^[\t\n\r\x20-\x7e]+$/.test(start) ? 'text' : undefined;
  return new AppError(
    'unsupported_image',
    `${guess === undefined ? 'The file is not an image of a supported format' : `The file is ${guess}`}; ` +
      `send ${IMAGE_FORMATS.slice(0, -1).join(', ')} or ${IMAGE_FORMATS.at(-1)}.`,
    { cause, context: { formats: IMAGE_FORMATS } },
  );
}

function corrupt(cause: unknown): AppError {
  const message = messageOf(cause);
  if (/compression format has not been built in/i.test(message)) {
    return new AppError('unsupported_image', 'The file is HEIF, but not AVIF; convert it to AVIF or JPEG.', {
      cause,
      context: { formats: IMAGE_FORMATS },
    });
  }
  // The decoder's message on one line.
  const reason = message
    .replace(/^Input buffer has corrupt header:/, '')
    .trim()
    .replace(/\s*\n\s*/g, '; ');
  return new AppError(
    'corrupt_image',
    `The image is damaged or cut short${reason === '' ? '' : ` (${reason})`}; send the complete file.`,
    { cause },
  );
}
