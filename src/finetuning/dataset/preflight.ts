import { createHash } from 'node:crypto';
import { forEachConcurrently } from '../../common/concurrency.ts';
import { AppError } from '../../common/errors.ts';
import type { ConceptGraph } from '../../registry/concept-graph.ts';
import { buildPreflightReport } from './build-preflight-report.ts';
import { classConcepts } from './class-synsets.ts';
import type { Dataset } from './dataset.ts';
import { isNegative, type LabelledFile, NEGATIVE_LABEL } from './dataset-layout.ts';
import { refuseTooFewImages } from './dataset-size.ts';
import { assignSplits, type SplitOptions } from './dataset-split.ts';
import { duplicatesOf } from './duplicates.ts';
import type { ImageSource } from './image-source.ts';
import type { DatasetImage, ImageFacts, InspectedImage, UnreadableImage } from './inspected-image.ts';
import type { PreflightReport } from './preflight-report.ts';

export interface PreflightOptions {
  readonly split: SplitOptions;
  /** Synsets by class that the request gives. */
  readonly synsets: Readonly<Record<string, string>> | undefined;
  /** The concepts of the zoo. */
  readonly graph: ConceptGraph;
  /** Height and width of the model's input in pixels: smaller images are reported. */
  readonly inputSize: readonly [height: number, width: number];
  /**
   * Decodes an image and measures it.
   * @param digest SHA-256 of `content`, in hex
   * @throws AppError that says why the image cannot be used
   */
  readonly inspect: (content: Buffer, digest: string) => Promise<ImageFacts>;
  /** Images that are read and decoded at once. */
  readonly concurrency: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A data set that can be trained on. */
export interface Preflight {
  readonly classes: readonly string[];
  /** Synsets of the classes, in their order; undefined for those without one. */
  readonly synsets: readonly (string | undefined)[];
  /** The concepts of the zoo. */
  readonly graph: ConceptGraph;
  /** Sorted by name. */
  readonly images: readonly DatasetImage[];
  /** Images that show none of the classes, with their splits; their class index is -1. */
  readonly negatives: readonly DatasetImage[];
  /** SHA-256 over label, split and pixels of every image, in hex: it does not depend on how the set is packed. */
  readonly datasetDigest: string;
  readonly report: PreflightReport;
}

/**
 * Inspects every labelled image, excludes those that cannot be used, splits the others, and reports about it. Holds
 * facts about images, never their pixels.
 *
 * Excluded are images that cannot be read; images with several labels; and, of copies in several of the splits that the
 * data set gives, all but those in the test split, else in the validation split: a model must not be tested on images
 * that it was trained on.
 *
 * @throws AppError `dataset_too_small` with fewer than two classes or five images in a class; the report is in its
 * context
 */
export async function runPreflight(
  dataset: Dataset,
  source: ImageSource,
  options: PreflightOptions,
): Promise<Preflight> {
  const all = await inspectAll([...dataset.files, ...dataset.negatives], source, options);
  const { unreadable } = all;
  const inspected = all.inspected.filter(({ label }) => !isNegative(label));
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
  const negatives = negativesAmong(all.inspected, inspected, options.split);
  const { split, inputSize } = options;
  const given = { option: options.synsets, table: dataset.synsets ?? new Map() };
  const concepts = classConcepts(dataset.classes, given, options.graph);
  const report = buildPreflightReport({
    dataset,
    concepts,
    inspected,
    images,
    negatives,
    unreadable,
    duplicates,
    split,
    inputSize,
  });
  refuseTooFewImages(report);
  const synsets = concepts.map(({ synset }) => synset);
  return {
    classes: dataset.classes,
    synsets,
    graph: options.graph,
    images,
    negatives,
    datasetDigest: digestOf([...images, ...negatives]),
    report,
  };
}

/** The images that show none of the classes, each once and with a split. Copies of images of a class are left out. */
function negativesAmong(
  all: readonly InspectedImage[],
  ofClasses: readonly InspectedImage[],
  split: SplitOptions,
): DatasetImage[] {
  const seen = new Set(ofClasses.map(({ pixelDigest }) => pixelDigest));
  const images = all.filter(({ label, pixelDigest }) => isNegative(label) && seen.size < seen.add(pixelDigest).size);
  const splits = assignSplits(
    images.map((image) => ({ label: NEGATIVE_LABEL, split: image.split, digest: image.pixelDigest })),
    split,
  );
  return images.map((image, index) => ({ ...image, split: splits[index] ?? 'train', classIndex: -1 }));
}

async function inspectAll(
  files: readonly LabelledFile[],
  source: ImageSource,
  { inspect, concurrency, onProgress }: PreflightOptions,
): Promise<{ inspected: InspectedImage[]; unreadable: UnreadableImage[] }> {
  const results = new Array<InspectedImage | UnreadableImage>(files.length);
  let done = 0;
  await forEachConcurrently(files.entries(), concurrency, async ([index, labelled]) => {
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
  inspect: PreflightOptions['inspect'],
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
