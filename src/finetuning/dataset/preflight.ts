import { createHash } from 'node:crypto';
import { forEachConcurrently } from '../../common/concurrency.ts';
import { AppError } from '../../common/errors.ts';
import type { Dataset } from './dataset.ts';
import type { LabelledFile, Split } from './dataset-layout.ts';
import { assignSplits, type SplitOptions } from './dataset-split.ts';
import { duplicatesOf } from './duplicates.ts';
import type { ImageSource } from './image-source.ts';
import { buildReport, type PreflightReport, refuseTooSmall } from './preflight-report.ts';

/** What decoding tells of an image. */
export interface ImageFacts {
  readonly width: number;
  readonly height: number;
  /** SHA-256 of size and upright 8-bit RGB pixels, in hex: equal for copies in whatever lossless wrapping. */
  readonly pixelDigest: string;
  /** Difference hash of 128 bits in 32 hex digits: close for pictures that look alike. */
  readonly differenceHash: string;
}

/**
 * Decodes an image; given from outside, since training knows nothing of image formats. `digest` is the SHA-256 of
 * `content`, under which the answer may be kept.
 * @throws AppError that says why the image cannot be used
 */
export type InspectImage = (content: Buffer, digest: string) => Promise<ImageFacts>;

/** A labelled image that can be read. */
export interface InspectedImage extends LabelledFile, ImageFacts {
  /** SHA-256 of the file's bytes, in hex. */
  readonly digest: string;
}

/** A labelled image that cannot be read, and why. */
export interface UnreadableImage {
  readonly file: string;
  readonly label: string;
  readonly code: string;
  readonly reason: string;
}

/** An image that will be used, and for what. */
export interface DatasetImage extends InspectedImage {
  readonly split: Split;
  /** Position of the label among the classes. */
  readonly classIndex: number;
}

export interface PreflightOptions {
  readonly split: SplitOptions;
  /** Height and width that the model takes, in pixels: smaller images are reported. */
  readonly inputSize: readonly [height: number, width: number];
  readonly inspect: InspectImage;
  /** Images that are read and decoded at once. */
  readonly concurrency: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A data set that can be learnt from. */
export interface Preflight {
  readonly classes: readonly string[];
  /** Sorted by name. */
  readonly images: readonly DatasetImage[];
  /** SHA-256 over label, split and pixels of every image, in hex: the same for one set however it is packed. */
  readonly datasetDigest: string;
  readonly report: PreflightReport;
}

/**
 * Looks at every labelled image once, leaves out what cannot teach, divides the rest, and says so in a report. Holds
 * facts of images, never their pixels.
 *
 * Left out are unreadable images; pictures that stand under several labels, which nobody could learn; and from the
 * data set's own splits what would let the report judge by pictures that were trained on: of copies on both sides,
 * those in the test part stay, else those in the validation part.
 *
 * @throws AppError `dataset_too_small` with fewer than two classes or five images in a class; the report is in its
 * context
 */
export async function runPreflight(
  dataset: Dataset,
  source: ImageSource,
  options: PreflightOptions,
): Promise<Preflight> {
  const { inspected, unreadable } = await inspectAll(dataset.files, source, options);
  const duplicates = duplicatesOf(inspected);
  const usable = inspected.filter((image) => !duplicates.excluded.has(image));
  const splits = assignSplits(
    usable.map(({ label, split, pixelDigest }) => ({ label, split, digest: pixelDigest })),
    options.split,
  );
  const classIndex = new Map(dataset.classes.map((name, index) => [name, index]));
  const images = usable.map(
    (image, index): DatasetImage => ({
      ...image,
      split: splits[index] ?? 'train',
      classIndex: classIndex.get(image.label) ?? 0,
    }),
  );
  const report = buildReport({ dataset, inspected, images, unreadable, duplicates, options });
  refuseTooSmall(report);
  return { classes: dataset.classes, images, datasetDigest: digestOf(images), report };
}

async function inspectAll(
  files: readonly LabelledFile[],
  source: ImageSource,
  { inspect, concurrency, signal, onProgress }: PreflightOptions,
): Promise<{ inspected: InspectedImage[]; unreadable: UnreadableImage[] }> {
  const results = new Array<InspectedImage | UnreadableImage>(files.length);
  let done = 0;
  await forEachConcurrently(files.entries(), concurrency, async ([index, labelled]) => {
    signal?.throwIfAborted();
    results[index] = await inspectOne(labelled, source, inspect);
    done += 1;
    onProgress?.(done, files.length);
  });
  return {
    inspected: results.filter((result) => 'digest' in result),
    unreadable: results.filter((result) => 'reason' in result),
  };
}

async function inspectOne(
  labelled: LabelledFile,
  source: ImageSource,
  inspect: InspectImage,
): Promise<InspectedImage | UnreadableImage> {
  try {
    const content = await source.read(labelled.file);
    const digest = createHash('sha256').update(content).digest('hex');
    return { ...labelled, ...(await inspect(content, digest)), digest };
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    return { file: labelled.file.name, label: labelled.label, code: thrown.code, reason: thrown.message };
  }
}

function digestOf(images: readonly DatasetImage[]): string {
  const lines = images.map(({ label, split, pixelDigest }) => JSON.stringify([label, split, pixelDigest]));
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}
