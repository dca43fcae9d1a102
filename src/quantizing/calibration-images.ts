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

/** The images of a folder or zip: some for calibration, others for the comparison. */
export interface CalibrationImages {
  readonly calibration: { readonly count: number; read(): AsyncGenerator<ComparedImage> };
  readonly comparison: { readonly count: number; read(): AsyncGenerator<ComparedImage> };
  close(): Promise<void>;
}

interface FoundImage {
  readonly file: SourceFile;
  readonly index: number | undefined;
}

/** How images are found and prepared. */
export interface CalibrationImagesOptions {
  /** A folder or a zip, with labels or without. */
  readonly path: string;
  readonly labels: readonly Label[];
  readonly preprocessing: Preprocessing;
  readonly maxImagePixels: number;
}

/**
 * Opens images for a quantization. The same images are chosen each time. Images that cannot be read are left out.
 * @throws AppError `dataset_too_small`; as `openImageSource`
 */
export async function openCalibrationImages(options: CalibrationImagesOptions): Promise<CalibrationImages> {
  const source = await openImageSource(options.path);
  try {
    const found = seededRandom(0).shuffle(await findImages(source, options.labels));
    if (found.length < LEAST) {
      throw new AppError(
        'dataset_too_small',
        `${found.length} images were found, but a quantization needs at least ${LEAST}; 100 to 1000 are right`,
      );
    }
    const calibration = found.slice(0, Math.min(MOST_CALIBRATION, Math.floor(found.length / 2)));
    const comparison = found.slice(calibration.length, calibration.length + MOST_COMPARED);
    const part = (images: readonly FoundImage[]) => ({
      count: images.length,
      read: () => readImages(images, source, options),
    });
    return { calibration: part(calibration), comparison: part(comparison), close: () => source.close() };
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
  { preprocessing, maxImagePixels }: CalibrationImagesOptions,
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
