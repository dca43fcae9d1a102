import { join } from 'node:path';
import { type ImagePipeline, outputOf } from '../answering/image-pipeline.ts';
import { forEachConcurrently, sharedSignal } from '../common/concurrency.ts';
import { AppError } from '../common/errors.ts';
import { STAGING_DIR, withStagingFolder } from '../common/staging-folder.ts';
import { writeNovelty } from '../convert/transfer/novelty.ts';
import { openImageSource, readDataset } from '../finetuning/dataset/dataset.ts';
import { fitDetector, noveltyScores } from '../finetuning/novelty/detector.ts';
import { separationFigures } from '../finetuning/novelty/figures.ts';
import { methodScores } from '../finetuning/novelty/scores.ts';
import { separationOf } from '../finetuning/novelty/separation.ts';
import type { NoveltyFigures } from '../registry/model-properties.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { addDetector } from '../registry/zoo-novelty.ts';
import { loadTensorFlow, type TensorFlow } from '../runtime/tensorflow.ts';
import { indexedFiles } from './accuracy.ts';

/** Images of each class that a detector needs: of five, one is for the test. */
const LEAST_IMAGES = 5;
/** Images of each class that are used: more change little, and their features are all in memory. */
const MOST_IMAGES = 50;
/** Images that are computed at once: enough for full batches in every engine. */
const IN_FLIGHT = 64;
/** The same images give the same detector. */
const SEED = 0;

/** A model of the zoo, and images that show its classes. */
export interface ZooDetectorRequest {
  readonly model: ModelVersion;
  /** A folder or zip as `measureAccuracy` takes it. Images labelled `_unknown` are for the test alone. */
  readonly path: string;
  /** Where pulled and imported models are. The detector goes to the folder of the model there. */
  readonly pulledDir: string;
  readonly signal: AbortSignal;
  /** Called after each image. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Fits a detector of images that show none of the classes to a model of the zoo, and writes it beside the model. It is
 * fitted on four fifths of the images of each class and tested on the others. Computes for seconds on this thread.
 *
 * @throws AppError `dataset_layout` when a class of the model has fewer than five images; as reading images
 */
export async function fitZooDetector(
  pipeline: Pick<ImagePipeline, 'run'>,
  { model, path, pulledDir, onProgress, ...request }: ZooDetectorRequest,
): Promise<NoveltyFigures> {
  const { num_features: dimension, num_classes: classes } = model.manifest.file;
  const signal = sharedSignal(request.signal);
  const computed = await computeImages();
  const { tf } = await loadTensorFlow({ threads: 1 });
  const known = computed.filter(({ label }) => label !== undefined);
  const seen = new Map<number | undefined, number>();
  const isHeld = known.map(({ label }) => {
    const nth = (seen.get(label) ?? 0) + 1;
    seen.set(label, nth);
    return nth % LEAST_IMAGES === 0;
  });
  requireEveryClass(model, seen);
  const train = rowsOf(known.filter((_, index) => !isHeld[index]));
  const held = rowsOf(known.filter((_, index) => isHeld[index]));
  const others = rowsOf(computed.filter(({ label }) => label === undefined));
  const detector = fitDetector(tf, train, new Float32Array(), SEED);
  const accepted = noveltyScores(tf, detector, held.features).filter((novelty) => novelty <= 1).length;
  const figures = { accepted: accepted / held.labels.length, ...compare(tf) };
  await publish();
  return figures;

  /** On images of other things, beside the highest probability. */
  function compare(with_: TensorFlow): Partial<NoveltyFigures> {
    if (others.labels.length === 0) return {};
    const score = ({ features, logits }: Rows) =>
      methodScores(with_, { train, features, logits, classes, seed: SEED, detector });
    const [inside, outside] = [score(held), score(others)];
    const figuresOf = (method: 'mahalanobis' | 'softmax') =>
      separationFigures(separationOf(inside[method] ?? new Float32Array(), outside[method] ?? new Float32Array()));
    return { measured_on: 'unknown_images', detector: figuresOf('mahalanobis'), softmax: figuresOf('softmax') };
  }

  async function computeImages(): Promise<LabelledOutputs[]> {
    const source = await openImageSource(path);
    try {
      const dataset = await readDataset(source);
      const { known: files } = indexedFiles(dataset, model.manifest.labels);
      const counts = new Map<number, number>();
      const wanted = [
        ...files.map(({ file, index }) => ({ file, label: index })),
        ...dataset.negatives.map(({ file }) => ({ file, label: undefined })),
      ].filter(({ label }) => {
        if (label === undefined) return true;
        counts.set(label, (counts.get(label) ?? 0) + 1);
        return (counts.get(label) ?? 0) <= MOST_IMAGES;
      });
      requireEveryClass(model, counts);
      const found: (LabelledOutputs | undefined)[] = wanted.map(() => undefined);
      let done = 0;
      await forEachConcurrently(wanted.entries(), IN_FLIGHT, async ([index, { file, label }]) => {
        const bytes = await source.read(file);
        try {
          const one = { model, runtime: 'onnx', images: [bytes], signal } as const;
          await pipeline.run(one, async (image, steps) => {
            const { pixels, decodeMs } = await steps.preprocess(image);
            const outputs = await steps.compute(pixels, decodeMs, { outputs: ['features', 'logits'] });
            found[index] = { label, features: outputOf(outputs, 'features'), logits: outputOf(outputs, 'logits') };
          });
        } catch (thrown) {
          // An image that cannot be read is left out, as in the measurement of the accuracy, which names it.
          if (!(thrown instanceof AppError) || thrown.status >= 500 || thrown.code === 'queue_full') throw thrown;
        }
        onProgress?.(++done, wanted.length);
      });
      return found.filter((each) => each !== undefined);
    } finally {
      await source.close();
    }
  }

  function rowsOf(images: readonly LabelledOutputs[]): Rows {
    const features = new Float32Array(images.length * dimension);
    const logits = new Float32Array(images.length * classes);
    for (const [row, image] of images.entries()) {
      features.set(image.features, row * dimension);
      logits.set(image.logits, row * classes);
    }
    return { features, logits, labels: Int32Array.from(images, ({ label }) => label ?? 0) };
  }

  async function publish(): Promise<void> {
    await withStagingFolder(join(pulledDir, STAGING_DIR), async (staging) => {
      const made = join(staging, 'novelty.safetensors');
      await writeNovelty({ ...detector, layers: 1 }, made);
      const weights_sha256 = model.manifest.file.weights.sha256;
      await addDetector(join(pulledDir, model.name), made, { weights_sha256, ...figures });
    });
  }
}

interface LabelledOutputs {
  /** Undefined for an image that shows none of the classes. */
  readonly label: number | undefined;
  readonly features: ArrayLike<number>;
  readonly logits: ArrayLike<number>;
}

interface Rows {
  readonly features: Float32Array;
  readonly logits: Float32Array;
  readonly labels: Int32Array;
}

/** A class without images would be unknown to the detector. */
function requireEveryClass({ name, manifest }: ModelVersion, counts: ReadonlyMap<number | undefined, number>): void {
  const few = manifest.labels.flatMap(({ label, synset }, index) => {
    const count = counts.get(index) ?? 0;
    return count < LEAST_IMAGES ? [`"${synset ?? label}" (${count})`] : [];
  });
  if (few.length === 0) return;
  throw new AppError(
    'dataset_layout',
    `a detector of unknown images needs at least ${LEAST_IMAGES} images of every class of ${name}, since it does not ` +
      `know a class without any; too few have ${few.length} of ${manifest.labels.length} classes: ` +
      `${few.slice(0, 5).join(', ')}${few.length > 5 ? ', ...' : ''}`,
  );
}
