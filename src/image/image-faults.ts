import type { Metadata } from 'sharp';
import { AppError, messageOf } from '../common/errors.ts';
import { guessKind, IMAGE_FORMATS, IMAGE_FORMATS_TEXT } from './formats.ts';
import { HeicError } from './heic-decoder.ts';

/** The error of samples that may mean anything: heights, temperatures, light without bound. */
export function unknownRange({ format, depth }: Pick<Metadata, 'format' | 'depth'>): AppError {
  return new AppError(
    'unsupported_image',
    `The ${format.toUpperCase()} has samples of the kind "${depth}", and nothing says which values are black and white; ` +
      'save it with 8 or 16 bits a sample (unsigned), scaled as it is to be seen.',
    { context: { formats: IMAGE_FORMATS, depth } },
  );
}

/** The error of a file that is no image of a supported format. */
export function unsupported(bytes: Uint8Array, cause: unknown): AppError {
  const guess = guessKind(bytes);
  return new AppError(
    'unsupported_image',
    `${guess === undefined ? 'The file is not an image of a supported format' : `The file is ${guess}`}; ` +
      `send ${IMAGE_FORMATS_TEXT}.`,
    { cause, context: { formats: IMAGE_FORMATS } },
  );
}

/** The error of an image that cannot be decoded, from what its decoder threw. */
export function corrupt(cause: unknown): AppError {
  const message = messageOf(cause);
  if (cause instanceof HeicError && cause.unsupported) {
    return new AppError(
      'unsupported_image',
      `The file is HEIF of a kind that is not supported (${message}); convert it to JPEG.`,
      { cause, context: { formats: IMAGE_FORMATS } },
    );
  }
  if (/unsupported tiff image type|tiff2vips: samples out of range/i.test(message)) {
    return new AppError(
      'unsupported_image',
      'The TIFF has samples of an unusual kind; save it with 8 or 16 bits a sample (unsigned).',
      { cause, context: { formats: IMAGE_FORMATS } },
    );
  }
  // The decoder's messages on one line; of each strip of an image it may say the same.
  const lines = message.replace(/^Input buffer has corrupt header:/, '').split('\n');
  const reason = [...new Set(lines.map((line) => line.trim()))].filter((line) => line !== '').join('; ');
  return new AppError(
    'corrupt_image',
    `The image is damaged or cut short${reason === '' ? '' : ` (${reason})`}; send the complete file.`,
    { cause },
  );
}
