import { AppError, messageOf } from '../common/errors.ts';
import { seededRandom } from '../common/random.ts';
import { openImageSource, readDataset } from '../finetuning/dataset/dataset.ts';
import { isImageName } from '../finetuning/dataset/dataset-layout.ts';
import type { ImageSource, SourceFile } from '../finetuning/dataset/image-source.ts';
import { imagesByContent } from '../finetuning/dataset/images-by-content.ts';
import type { Preprocessing } from '../image/crop.ts';
import { preprocessImage } from '../image/preprocess.ts';
import type { Label } from '../registry/manifest.ts';

/** Images for calibration: more hardly change the ranges. */
const MOST_CALIBRATION = 128;
/** Images for the comparison: the accuracy is then known to about a percent. */
const MOST_COMPARED = 1_000;
/** Fewer say nothing about the ranges of values. */
const LEAST = 8;

/** An image, and the index of its class in the model if it has one. */
export interface ComparedImage {
  readonly pixels: Uint8Array;
  readonly index: number | undefined;
}

/** The images of a folder or zip, in a random order that is the same each time. */
export interface PreparedImages {
  readonly count: number;
  /** Those from one position up to another one. Images that cannot be read are left out. */
  read(from?: number, to?: number): AsyncGenerator<ComparedImage>;
  close(): Promise<void>;
}

/** The images of a folder or zip: some for calibration, others for the comparison. */
export interface CalibrationImages extends Pick<PreparedImages, 'close'> {
  readonly calibration: Pick<PreparedImages, 'count' | 'read'>;
  readonly comparison: Pick<PreparedImages, 'count' | 'read'>;
}

interface FoundImage {
  readonly file: SourceFile;
  readonly index: number | undefined;
}

/** How images are found and prepared. */
export interface PreparedImagesOptions {
  /** A folder or a zip, with labels or without. */
  readonly path: string;
  readonly labels: readonly Label[];
  readonly preprocessing: Preprocessing;
  readonly maxImagePixels: number;
}

/**
 * Opens images for a quantization.
 * @throws AppError `dataset_too_small`; as `openImageSource`
 */
export async function openCalibrationImages(options: PreparedImagesOptions): Promise<CalibrationImages> {
  const { count, read, close } = await openPreparedImages(options);
  if (count < LEAST) {
    await close();
    throw new AppError(
      'dataset_too_small',
      `${count} images were found, but a quantization needs at least ${LEAST}; 100 to 1000 are right`,
    );
  }
  const first = Math.min(MOST_CALIBRATION, Math.floor(count / 2));
  const last = Math.min(count, first + MOST_COMPARED);
  return {
    calibration: { count: first, read: () => read(0, first) },
    comparison: { count: last - first, read: () => read(first, last) },
    close,
  };
}

/** Opens images to compare the answers of two forms of a model. @throws AppError as `openImageSource` */
export async function openPreparedImages(options: PreparedImagesOptions): Promise<PreparedImages> {
  const source = await openImageSource(options.path);
  try {
    const found = seededRandom(0).shuffle(await findImages(source, options.labels));
    return {
      count: found.length,
      read: (from, to) => readImages(found.slice(from, to), source, options),
      close: () => source.close(),
    };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

/** All images, with the classes that the model knows. Images without any label are taken too. */
async function findImages(source: ImageSource, labels: readonly Label[]): Promise<FoundImage[]> {
  const indices = new Map(
    labels.flatMap(({ label, synset = label }, index) => [[label, index] as const, [synset, index]]),
  );
  try {
    const { files } = await readDataset(source);
    return files.map(({ file, label }) => ({ file, index: indices.get(label) }));
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'dataset_layout') throw thrown;
    const files = await imagesByContent(source.files, source);
    const images = files.filter(({ name, startsLikeImage }) => startsLikeImage || isImageName(name));
    return images.map((file) => ({ file, index: undefined }));
  }
}

async function* readImages(
  images: readonly FoundImage[],
  source: ImageSource,
  { preprocessing, maxImagePixels }: PreparedImagesOptions,
): AsyncGenerator<ComparedImage> {
  let read = 0;
  let reason = '';
  for (const { file, index } of images) {
    try {
      const { pixels } = await preprocessImage(await source.read(file), preprocessing, maxImagePixels);
      read += 1;
      yield { pixels, index };
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      reason = messageOf(thrown);
    }
  }
  if (read === 0) throw new AppError('dataset_too_small', `none of the images can be read: ${reason}`);
}
