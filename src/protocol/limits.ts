import { AppError } from '../common/errors.ts';
import type { Config } from '../config.ts';

/** The settings that limit a body with images. */
export type ParserLimits = Pick<Config, 'maxImages' | 'maxImageBytes'>;

/** @throws AppError `too_many_images` */
export function checkImageCount(count: number, { maxImages }: ParserLimits): void {
  if (count <= maxImages) return;
  throw new AppError('too_many_images', `The request has ${count} images; the limit is ${maxImages}.`, {
    context: { max_images: maxImages },
  });
}

/** @throws AppError `body_too_large` */
export function checkImageBytes(files: readonly Uint8Array[], { maxImageBytes }: ParserLimits): void {
  const large = files.find(({ length }) => length > maxImageBytes);
  if (large === undefined) return;
  throw new AppError('body_too_large', `An image has ${large.length} bytes; the limit is ${maxImageBytes}.`, {
    context: { max_bytes: maxImageBytes },
  });
}
