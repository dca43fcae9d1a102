import { createRequire } from 'node:module';
import sharp, { type Metadata } from 'sharp';
import { AppError, messageOf } from '../common/errors.ts';
import { startsLikeImage } from './formats.ts';
import { corrupt, unknownRange, unsupported } from './image-faults.ts';
import { hasOtherSample, tiffFault } from './tiff-kinds.ts';
import { readTiffTags } from './tiff-tags.ts';

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

const require = createRequire(import.meta.url);

/** Versions of all decoders, by name: others may decode the same file to other pixels. */
export const DECODER_VERSIONS: Readonly<Record<string, string | undefined>> = {
  ...sharp.versions,
  'libheif-js': (require('libheif-js/package.json') as { readonly version: string }).version,
};

/** The header of an image file, which is read without decoding pixels. */
export interface ImageHeader {
  /** `jpeg`, `png`, `webp`, `gif`, `tiff`, `avif` or `heic`. */
  readonly format: string;
  /** Size in pixels of the upright image. */
  readonly width: number;
  readonly height: number;
  /** How it is stored, from 1 (upright) to 8 (EXIF 2.32, 4.6.4). */
  readonly orientation: number;
  /** Whether turning it upright swaps width and height. */
  readonly turned: boolean;
  /** Whether it is CMYK of 8 bits without a colour profile. */
  readonly plainCmyk: boolean;
  /** Whether the last sample of each pixel is neither colour nor alpha. */
  readonly otherSample: boolean;
  /** Its embedded colour profile. */
  readonly profile: Uint8Array | undefined;
}

/**
 * Reads the header only, so that an image of too many pixels costs nothing.
 * @param maxPixels the largest allowed product of width and height
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function readHeader(bytes: Uint8Array, maxPixels: number): Promise<ImageHeader> {
  if (bytes.length === 0) throw new AppError('empty_image', 'The file has 0 bytes; send the bytes of an image.');
  const tags = readTiffTags(bytes);
  const fault = tags && tiffFault(tags);
  if (fault !== undefined) throw fault;
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((thrown: unknown) => {
      const unknown = /unsupported image format/.test(messageOf(thrown)) && !startsLikeImage(bytes);
      throw unknown ? unsupported(bytes, thrown) : corrupt(thrown);
    });
  if (!DEPTHS.has(metadata.depth)) throw unknownRange(metadata);
  const { width, height } = metadata.autoOrient;
  if (width * height > maxPixels) {
    throw new AppError(
      'image_too_large',
      `The image is ${width} x ${height} = ${width * height} pixels; at most ${maxPixels} are allowed. ` +
        'Scale it down first.',
      { context: { width, height, pixels: width * height, max_pixels: maxPixels } },
    );
  }
  const { orientation = 1, space, channels, depth, hasProfile } = metadata;
  const plainCmyk = space === 'cmyk' && channels === 4 && depth === 'uchar' && !hasProfile;
  return {
    format: formatName(metadata),
    width,
    height,
    orientation,
    turned: orientation >= 5,
    plainCmyk,
    otherSample: tags !== undefined && hasOtherSample(tags),
    profile: metadata.icc,
  };
}

function formatName({ format, compression }: Metadata): string {
  if (format !== 'heif') return format;
  return compression === 'av1' ? 'avif' : 'heic';
}

/** Samples whose least and greatest values mean black and white. */
const DEPTHS: ReadonlySet<string> = new Set(['uchar', 'ushort']);
