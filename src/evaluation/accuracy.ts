import type { Classification, ClassificationRequest } from '../answering/image-classification.ts';
import { forEachConcurrently } from '../common/concurrency.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { type Dataset, readDataset } from '../finetuning/dataset/dataset.ts';
import { openImageSource } from '../finetuning/dataset/open-image-source.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';

/** What to measure, and on which images. */
export interface AccuracyRequest {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** A folder or a zip with a folder per class; classes are called by synset or by label. */
  readonly path: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** How often the model was right; shares in 0..1. */
export interface Evaluation {
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
  /** Classes of the data that the model does not know; their images were left out. */
  readonly unknownClasses: readonly string[];
  /** Images that could not be read, with the reason. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
}

/** Images that are on their way at once: enough for full batches on every engine. */
const IN_FLIGHT = 64;

/**
 * Measures top-1 and top-5 accuracy through the very pipeline that serves.
 * @throws AppError `dataset_layout` when no class of the data is one of the model's
 */
export async function measureAccuracy(
  classify: (request: ClassificationRequest) => Promise<Classification>,
  { model, runtime, path, onProgress }: AccuracyRequest,
): Promise<Evaluation> {
  const source = await openImageSource(path);
  try {
    const { files, unknownClasses } = knownFiles(await readDataset(source), model.manifest.labels);
    const unreadable: { name: string; reason: string }[] = [];
    let done = 0;
    let top1 = 0;
    let top5 = 0;
    const evaluate = async ({ file, index }: KnownFile): Promise<void> => {
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
    return { images, top1: top1 / images, top5: top5 / images, unknownClasses, unreadable };
  } finally {
    await source.close();
  }

  async function topFive(bytes: Uint8Array, filename: string): Promise<number[]> {
    const request = { model: `${model.name}@${model.version}`, runtime, topK: 5, threshold: 0 };
    const signal = new AbortController().signal;
    const { results } = await classify({ ...request, images: [{ filename, bytes }], signal });
    const [result] = results;
    if (result === undefined) throw new Error('an image without a result');
    if ('error' in result) throw result.error;
    return result.predictions.map(({ index }) => index);
  }
}

interface KnownFile {
  readonly file: Dataset['files'][number]['file'];
  /** Of its class, among the model's. */
  readonly index: number;
}

function knownFiles(dataset: Dataset, labels: readonly Label[]): { files: KnownFile[]; unknownClasses: string[] } {
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
    throw new AppError(
      'dataset_layout',
      `none of the classes ${dataset.classes.slice(0, 5).join(', ')}, ... is one of the model's: ` +
        `name each folder by synset or label, such as ${labels[0]?.synset ?? labels[0]?.label}`,
    );
  }
  return { files, unknownClasses: dataset.classes.filter((label) => !indices.has(label)) };
}
