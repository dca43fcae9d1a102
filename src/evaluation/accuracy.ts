import type { ImageClassifier, ImageResult } from '../answering/image-classification.ts';
import type { ImagePipeline } from '../answering/image-pipeline.ts';
import { forEachConcurrently, sharedSignal } from '../common/concurrency.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { type Dataset, openImageSource, readDataset } from '../finetuning/dataset/dataset.ts';
import { type Robustness, RobustnessTally } from '../finetuning/head/robustness.ts';
import { type TtaMode, VIEWS } from '../image/views.ts';
import type { ClassHierarchies } from '../registry/class-hierarchy.ts';
import { type HierarchicalAccuracy, HierarchyTally } from '../registry/hierarchical-accuracy.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import { answerCorrupted, CORRUPTED_AT_ONCE, CORRUPTED_PER_IMAGE } from './corrupted-answers.ts';

/** Input of `measureAccuracy`. */
export interface AccuracyRequest {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** The views of each image over which the probabilities are averaged; one when absent. */
  readonly tta?: TtaMode;
  /** A folder or zip with one folder per class, named by its synset or label. */
  readonly path: string;
  readonly hierarchies: ClassHierarchies;
  /** Whether to test corrupted images too: 55 of each. They are computed in one view. */
  readonly corruptions?: boolean;
  readonly signal: AbortSignal;
  /** Called after each image. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Accuracy of a model, in 0..1. */
export interface Accuracy {
  /** Number of images that were classified. */
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
  /** Absent when the classes of the model have no synsets. */
  readonly hierarchy?: HierarchicalAccuracy;
  /** Absent unless corrupted images were tested. */
  readonly robustness?: Robustness;
  /** Classes of the data set that the model does not have. Only `hierarchy.conceptsOfOthers` counts their images. */
  readonly unknownClasses: readonly string[];
  /** Images that cannot be read. They are not counted. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
}

/** Images that are processed concurrently: enough for full batches in every engine. */
const IN_FLIGHT = 64;

/** What answers images. */
export interface Answering {
  readonly classifier: Pick<ImageClassifier, 'classify'>;
  readonly pipeline: Pick<ImagePipeline, 'run'>;
}

/**
 * Measures top-1 and top-5 accuracy with the code that serves requests.
 *
 * @throws AppError `dataset_layout` when the model has none of the classes of the data set, or no image can be read
 */
export async function measureAccuracy(
  { classifier, pipeline }: Answering,
  { model, runtime, tta, path, hierarchies, corruptions = false, onProgress, ...request }: AccuracyRequest,
): Promise<Accuracy> {
  const { labels } = model.manifest;
  const signal = sharedSignal(request.signal);
  const { graph } = hierarchies;
  const hierarchy = hierarchies.of(labels) !== undefined;
  const tally = new HierarchyTally(graph);
  const source = await openImageSource(path);
  try {
    const { known, others, unknownClasses } = indexedFiles(await readDataset(source), labels);
    // Of a class that the model does not have, the concept above it may still be right.
    const files = [...known, ...others.filter(({ synset }) => hierarchy && graph.find(synset) !== undefined)];
    const unreadable: { name: string; reason: string }[] = [];
    const robustness = new RobustnessTally();
    const total = files.length + (corruptions ? known.length * CORRUPTED_PER_IMAGE : 0);
    let done = 0;
    let top1 = 0;
    let top5 = 0;
    let images = 0;
    const testCorrupted = (
      bytes: Uint8Array,
      image: { readonly id: string; readonly label: number },
      before: number | undefined,
    ): Promise<void> =>
      answerCorrupted(pipeline, { model, runtime, bytes, signal }, (answer) => {
        robustness.add({ ...answer, ...image, rightBefore: before === image.label });
        onProgress?.(++done, total);
      });
    const evaluate = async (wanted: IndexedFile | OtherFile): Promise<void> => {
      const { file } = wanted;
      try {
        const bytes = await source.read(file);
        const { predictions, concept = null } = await topFive(bytes, file.name);
        if ('synset' in wanted) tally.addOther({ truth: wanted.synset, concept });
        else {
          const [first] = predictions;
          images += 1;
          top1 += first?.index === wanted.index ? 1 : 0;
          top5 += predictions.some(({ index }) => index === wanted.index) ? 1 : 0;
          const truth = labels[wanted.index]?.synset;
          if (truth !== undefined && graph.find(truth) !== undefined) tally.add({ truth, concept }, first?.synset);
          if (corruptions) await testCorrupted(bytes, { id: file.name, label: wanted.index }, first?.index);
        }
      } catch (thrown) {
        // What says nothing about the image ends the measurement.
        if (!(thrown instanceof AppError) || thrown.status >= 500 || thrown.code === 'queue_full') throw thrown;
        unreadable.push({ name: file.name, reason: messageOf(thrown) });
        // Its corrupted images will not come.
        if (corruptions && !('synset' in wanted)) done += CORRUPTED_PER_IMAGE;
      }
      onProgress?.(++done, total);
    };
    const views = corruptions ? CORRUPTED_AT_ONCE : tta === undefined ? 1 : VIEWS[tta];
    await forEachConcurrently(files, Math.floor(IN_FLIGHT / views), evaluate);
    if (images === 0) throw new AppError('dataset_layout', `${path} has no image that can be read`);
    const near = tally.result();
    const robust = robustness.result(top1 / images);
    return {
      images,
      top1: top1 / images,
      top5: top5 / images,
      ...(near !== undefined && { hierarchy: near }),
      ...(robust !== undefined && { robustness: robust }),
      unknownClasses,
      unreadable,
    };
  } finally {
    await source.close();
  }

  async function topFive(bytes: Uint8Array, filename: string): Promise<Exclude<ImageResult, { error: AppError }>> {
    const named = { model: `${model.name}@${model.version}`, runtime, topK: 5, hierarchy };
    const how = { ...named, ...(tta !== undefined && { tta }) };
    const { results } = await classifier.classify({ ...how, images: [{ filename, bytes }], signal });
    const [result] = results;
    if (result === undefined) throw new Error('the classifier returned no result for an image');
    if ('error' in result) throw result.error;
    return result;
  }
}

interface IndexedFile {
  readonly file: Dataset['files'][number]['file'];
  /** Index of its class in the model. */
  readonly index: number;
}

interface OtherFile {
  readonly file: Dataset['files'][number]['file'];
  /** The class that the model does not have: a synset, if it is one. */
  readonly synset: string;
}

interface IndexedFiles {
  readonly known: IndexedFile[];
  readonly others: OtherFile[];
  readonly unknownClasses: string[];
}

/**
 * The images whose class the model has, by its synset or label, and the others.
 * @throws AppError `dataset_layout` when it has none of the classes
 */
export function indexedFiles(dataset: Dataset, labels: readonly Label[]): IndexedFiles {
  const indices = new Map(
    labels.flatMap(({ label, synset }, index) => [
      [label, index],
      [synset ?? label, index],
    ]),
  );
  const known: IndexedFile[] = [];
  const others: OtherFile[] = [];
  for (const { file, label } of dataset.files) {
    const index = indices.get(label);
    if (index === undefined) others.push({ file, synset: label });
    else known.push({ file, index });
  }
  if (known.length === 0) {
    const some = dataset.classes.slice(0, 5).map((name) => `"${name}"`);
    throw new AppError(
      'dataset_layout',
      `the model has none of the classes ${some.join(', ')}${dataset.classes.length > some.length ? ', ...' : ''}: ` +
        `name each folder by the synset or label of a class of the model, for example ` +
        `"${labels[0]?.synset ?? labels[0]?.label}"`,
    );
  }
  return { known, others, unknownClasses: dataset.classes.filter((label) => !indices.has(label)) };
}
