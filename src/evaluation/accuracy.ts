import type { Classification, ClassificationRequest } from '../answering/image-classification.ts';
import { forEachConcurrently } from '../common/concurrency.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { type Dataset, openImageSource, readDataset } from '../finetuning/dataset/dataset.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';

/** Input of `measureAccuracy`. */
export interface AccuracyRequest {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** A folder or zip with one folder per class, named by its synset or label. */
  readonly path: string;
  /** Called after each image. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Accuracy of a model, in 0..1. */
export interface Accuracy {
  /** Number of images that were classified. */
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
  /** Classes of the data set that the model does not have. Their images are not counted. */
  readonly unknownClasses: readonly string[];
  /** Images that cannot be read. They are not counted. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
}

/** Images that are processed concurrently: enough for full batches in every engine. */
const IN_FLIGHT = 64;

/**
 * Measures top-1 and top-5 accuracy with the code that serves requests.
 *
 * @throws AppError `dataset_layout` when the model has none of the classes of the data set, or no image can be read
 */
export async function measureAccuracy(
  classify: (request: ClassificationRequest) => Promise<Classification>,
  { model, runtime, path, onProgress }: AccuracyRequest,
): Promise<Accuracy> {
  const source = await openImageSource(path);
  try {
    const { files, unknownClasses } = indexedFiles(await readDataset(source), model.manifest.labels);
    const unreadable: { name: string; reason: string }[] = [];
    let done = 0;
    let top1 = 0;
    let top5 = 0;
    const evaluate = async ({ file, index }: IndexedFile): Promise<void> => {
      try {
        const predicted = await topFive(await source.read(file), file.name);
        top1 += predicted[0] === index ? 1 : 0;
        top5 += predicted.includes(index) ? 1 : 0;
      } catch (thrown) {
        if (!(thrown instanceof AppError) || thrown.status >= 500) throw thrown;
        unreadable.push({ name: file.name, reason: messageOf(thrown) });
      }
      onProgress?.(++done, files.length);
    };
    await forEachConcurrently(files, IN_FLIGHT, evaluate);
    const images = files.length - unreadable.length;
    if (images === 0) throw new AppError('dataset_layout', `${path} has no image that can be read`);
    return { images, top1: top1 / images, top5: top5 / images, unknownClasses, unreadable };
  } finally {
    await source.close();
  }

  async function topFive(bytes: Uint8Array, filename: string): Promise<number[]> {
    const request = { model: `${model.name}@${model.version}`, runtime, topK: 5, threshold: 0 };
    const signal = new AbortController().signal;
    const { results } = await classify({ ...request, images: [{ filename, bytes }], signal });
    const [result] = results;
    if (result === undefined) throw new Error('the classifier returned no result for an image');
    if ('error' in result) throw result.error;
    return result.predictions.map(({ index }) => index);
  }
}

interface IndexedFile {
  readonly file: Dataset['files'][number]['file'];
  /** Index of its class in the model. */
  readonly index: number;
}

function indexedFiles(dataset: Dataset, labels: readonly Label[]): { files: IndexedFile[]; unknownClasses: string[] } {
  const indices = new Map(
    labels.flatMap(({ label, synset }, index) => [
      [label, index],
      [synset ?? label, index],
    ]),
  );
  const files = dataset.files.flatMap(({ file, label }) => {
    const index = indices.get(label);
    return index === undefined ? [] : [{ file, index }];
  });
  if (files.length === 0) {
    const some = dataset.classes.slice(0, 5).map((name) => `"${name}"`);
    throw new AppError(
      'dataset_layout',
      `the model has none of the classes ${some.join(', ')}${dataset.classes.length > some.length ? ', ...' : ''}: ` +
        `name each folder by the synset or label of a class of the model, for example ` +
        `"${labels[0]?.synset ?? labels[0]?.label}"`,
    );
  }
  return { files, unknownClasses: dataset.classes.filter((label) => !indices.has(label)) };
}
