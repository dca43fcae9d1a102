import { AppError } from '../common/errors.ts';
import { IMAGE_FORMATS, IMAGE_FORMATS_TEXT } from './formats.ts';
import type { TiffTags } from './tiff-tags.ts';

const RGB = 2;
const YCBCR = 6;
const CIELAB = 8;
/** Kinds of colours whose samples are no pixels yet: of a colour filter, and linear ones (TIFF/EP, DNG). */
const RAW = new Set([32_803, 34_892]);
/** Both kinds of JPEG. */
const JPEG = new Set([6, 7]);

/** Compressions that libvips is built without. */
const COMPRESSIONS = new Map([
  [34_925, 'LZMA'],
  [50_000, 'Zstandard'],
  [50_001, 'WebP'],
  [50_002, 'JPEG XL'],
  [34_887, 'LERC'],
  [33_003, 'JPEG 2000'],
  [33_005, 'JPEG 2000'],
  [34_712, 'JPEG 2000'],
]);

/** Kinds of colours and how many samples they have; others are grey, or an index of a palette. */
const COLOURS = new Map([
  [RGB, 3],
  [5, 4],
  [YCBCR, 3],
]);

/** The error of a TIFF that its decoder fails on, or reads as what it is not; undefined for others. */
export function tiffFault(tags: TiffTags): AppError | undefined {
  const { photometric = RGB, compression, samples, isPreview } = tags;
  const named = COMPRESSIONS.get(compression);
  const beyond = samples - (COLOURS.get(photometric) ?? 1);
  if (RAW.has(photometric) || isPreview) {
    return unsupported(
      `The file is a raw photo of a camera; send ${IMAGE_FORMATS_TEXT}, as a raw converter makes them.`,
    );
  }
  if (named !== undefined) {
    return unsupported(`The TIFF is compressed by ${named}, which is not read; save it with LZW, Deflate or none.`);
  }
  if (photometric >= CIELAB && photometric <= 10) return unsupported('The TIFF has CIELAB colours; save it as RGB.');
  if (photometric === 4) return unsupported('The TIFF is a mask of another image; send the image.');
  if (photometric === YCBCR && !JPEG.has(compression)) {
    return unsupported('The TIFF has YCbCr colours without JPEG compression, which are not read; save it as RGB.');
  }
  if (beyond > 1) {
    return unsupported(`The TIFF has ${samples} samples a pixel, which are no colours; send its red, green and blue.`);
  }
  return undefined;
}

/** Whether the last sample of each pixel is something else than alpha, such as infrared. */
export function hasOtherSample({ photometric = RGB, samples, extraSample }: TiffTags): boolean {
  return extraSample === 0 && samples > (COLOURS.get(photometric) ?? 1);
}

function unsupported(message: string): AppError {
  return new AppError('unsupported_image', message, { context: { formats: IMAGE_FORMATS } });
}
