import sharp, { type Metadata, type Sharp } from 'sharp';
import { AppError, messageOf } from '../common/errors.ts';

/** The formats that are taken, in the words shown to clients. */
const IMAGE_FORMATS = ['JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF'] as const;

// Everything is off but the loaders named here: SVG above all, which can pull in other files and costs what it likes.
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
// Images are decoded side by side on the thread pool: one thread each. No operation is ever repeated, so none is kept.
sharp.concurrency(1);
sharp.cache(false);

/** Versions of sharp and of the decoders in it, by name: others may decode the same file to other pixels. */
export const DECODER_VERSIONS: Readonly<Record<string, string | undefined>> = sharp.versions;

/** What an image file says of itself, before its pixels are decoded. */
export interface ImageHeader {
  /** `jpeg`, `png`, `webp`, `gif`, `tiff` or `avif`. */
  readonly format: string;
  /** Pixels across and down once the image is upright. */
  readonly width: number;
  readonly height: number;
  /** Whether it is stored as it is to be seen. */
  readonly upright: boolean;
  /** Whether turning it upright swaps width and height. */
  readonly turned: boolean;
}

/** Upright 8-bit RGB pixels, row by row: `pixels.length` is `height * width * 3`. */
export interface DecodedImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

/**
 * Reads the header alone, so that an image of too many pixels costs nothing.
 * @param maxPixels the most that width times height may be
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
      `The image is ${width} x ${height} = ${width * height} pixels; at most ${maxPixels} are taken. Scale it down first.`,
      { context: { width, height, pixels: width * height, max_pixels: maxPixels } },
    );
  }
  const { orientation = 1 } = metadata;
  return { format: formatName(metadata), width, height, upright: orientation === 1, turned: orientation >= 5 };
}

/**
 * Up to this many pixels an image is decoded into memory as a whole, 24 MB of it; larger ones are streamed. Streams of
 * libvips wait for one another: decoded as streams, the photos of two threads take twice as long as in memory.
 */
const STREAM_FROM_PIXELS = 8_000_000;

/**
 * Opens an image whose header has been read. Damage (`error`, which includes a file cut short) is refused, harmless
 * oddities that decoders only warn of are not. Embedded colour profiles are ignored, as the loaders that the networks
 * were trained with ignore them.
 */
export function openImage(bytes: Uint8Array, { width, height }: ImageHeader): Sharp {
  const sequentialRead = width * height > STREAM_FROM_PIXELS;
  return sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: false, sequentialRead });
}

/**
 * Runs a pipeline to its 8-bit RGB pixels: transparency shows white, as on the page where such images are mostly seen;
 * grey is repeated; CMYK and 16 bits become sRGB of 8.
 * @throws AppError `corrupt_image`, or `unsupported_image` when the file's compression is not built in
 */
export async function toPixels(pipeline: Sharp): Promise<Omit<DecodedImage, 'format'>> {
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
 * @param maxPixels the most that width times height may be
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function decodeImage(bytes: Uint8Array, maxPixels: number): Promise<DecodedImage> {
  const header = await readHeader(bytes, maxPixels);
  return { ...(await toPixels(openImage(bytes, header).autoOrient())), format: header.format };
}

function formatName(metadata: Metadata): string {
  return metadata.format === 'heif' && metadata.compression === 'av1' ? 'avif' : metadata.format;
}

/** How files of the formats begin: with one of these, a file that no loader takes is a damaged one. */
const SIGNATURES = /^(\xff\xd8\xff|\x89PNG|RIFF....WEBP|GIF8[79]a|II\*\0|MM\0\*)/s;

function startOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024)).toString('latin1');
}

function unsupported(bytes: Uint8Array, cause: unknown): AppError {
  const start = startOf(bytes);
  const guess = /<svg[\s>]/i.test(start) ? 'an SVG drawing' : /^[\t\n\r\x20-\x7e]+$/.test(start) ? 'text' : undefined;
  return new AppError(
    'unsupported_image',
    `${guess === undefined ? 'The file is no image that can be read' : `The file is ${guess}`}; ` +
      `${IMAGE_FORMATS.slice(0, -1).join(', ')} and ${IMAGE_FORMATS.at(-1)} are taken.`,
    { cause, context: { formats: IMAGE_FORMATS } },
  );
}

function corrupt(cause: unknown): AppError {
  const message = messageOf(cause);
  if (/compression format has not been built in/i.test(message)) {
    return new AppError('unsupported_image', 'The file is HEIF, but not AVIF; send it as AVIF or JPEG.', {
      cause,
      context: { formats: IMAGE_FORMATS },
    });
  }
  // The decoder's own words, on one line.
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
