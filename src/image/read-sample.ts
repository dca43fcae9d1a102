import { decodeImage } from './decode.ts';
import { copyInThread, copyJpegInThread, sampleInThread, sampleJpegInThread } from './pixel-jobs.ts';
import type { PixelJobs } from './pixel-messages.ts';
import { plainJpeg } from './plain-jpeg.ts';
import { preprocessDecoded } from './preprocess.ts';
import type { RgbImage } from './resample.ts';
import type { TrainingSample } from './training-sample.ts';

/** What a training needs of an image file. */
export interface ReadSample extends Omit<TrainingSample, 'shown'> {
  /** The model's input: `height * width * 3` bytes of RGB. */
  readonly input: Uint8Array;
  /** Whether it is a JPEG that lacks its end marker only. */
  readonly withoutEnd: boolean;
}

/**
 * Decodes an image file once for all that a training needs of it. What is large stays in the thread that decodes it.
 * @param maxPixels the largest allowed product of width and height
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function readSample(
  bytes: Uint8Array,
  maxPixels: number,
  wanted: Omit<PixelJobs['sample'], 'source'>,
): Promise<ReadSample> {
  const { recipe } = wanted;
  const ofJpeg = isBaseline(bytes, maxPixels, recipe) ? await sampleJpegInThread(bytes, wanted) : undefined;
  if (ofJpeg !== undefined) return withInput(ofJpeg, recipe, false);
  const image = await decodeImage(bytes, maxPixels, recipe.icc);
  const withoutEnd = image.warnings.some(({ code }) => code === 'jpeg_without_end');
  return withInput(await sampleInThread(pixelsOf(image), wanted), recipe, withoutEnd);
}

/**
 * Decodes an image file and makes varied copies of it, in the order of their keys; see `augment`.
 * @throws AppError as `readSample`
 */
export async function readCopies(
  bytes: Uint8Array,
  maxPixels: number,
  wanted: Omit<PixelJobs['copies'], 'source'>,
): Promise<readonly Uint8Array[]> {
  const { recipe } = wanted;
  const ofJpeg = isBaseline(bytes, maxPixels, recipe) ? await copyJpegInThread(bytes, wanted) : undefined;
  return ofJpeg ?? copyInThread(pixelsOf(await decodeImage(bytes, maxPixels, recipe.icc)), wanted);
}

function isBaseline(bytes: Uint8Array, maxPixels: number, { icc }: PixelJobs['sample']['recipe']): boolean {
  return plainJpeg(bytes, maxPixels, icc)?.progressive === false;
}

function pixelsOf({ pixels, width, height }: RgbImage): RgbImage {
  return { pixels, width, height };
}

async function withInput(
  { shown, ...sample }: TrainingSample,
  recipe: PixelJobs['sample']['recipe'],
  withoutEnd: boolean,
): Promise<ReadSample> {
  const input = 'input' in shown ? shown.input : await preprocessDecoded(shown.whole, recipe);
  return { ...sample, input, withoutEnd };
}
