import { forEachConcurrently } from '../common/concurrency.ts';
import { decodeImage } from '../image/decode.ts';
import { preprocessDecoded } from '../image/preprocess.ts';
import { thumbnail } from '../image/thumbnail.ts';
import { loadTensorFlow } from '../runtime/tensorflow.ts';
import { readDataset } from './dataset/dataset.ts';
import type { Split } from './dataset/dataset-layout.ts';
import type { ImageSource } from './dataset/image-source.ts';
import { openImageSource } from './dataset/open-image-source.ts';
import { type DatasetImage, type Preflight, runPreflight } from './dataset/preflight.ts';
import { trimCache } from './features/cache-folder.ts';
import type { DatasetFeatures } from './features/dataset-features.ts';
import { FeatureExtraction } from './features/feature-extraction.ts';
import { type FeatureNetwork, openFeatureNetwork, openLayeredNetwork } from './features/feature-network.ts';
import { openLocalModel } from './features/local-model.ts';
import { writeVersion } from './fine-tuned-version.ts';
import type { TestResult } from './head/test-result.ts';
import { trainAndTest } from './train-and-test.ts';
import type { PreflightTask, TrainingProgress, TrainingResult, TrainingTask } from './training-task.ts';

/** Images on their way through decoding and the backbone at once: one batch computes while the next one is decoded. */
const IN_FLIGHT = 32;
/** Of the native TensorFlow.js backend: a job leaves the other cores to those who wait for answers. */
const THREADS = 1;
/** Of the report's pictures, in pixels. */
const THUMBNAIL_SIDE = 96;

/** Told how far a job is. */
export type OnProgress = (progress: TrainingProgress) => void;

/**
 * From a labelled archive to the files of a new version: archive -> dataset -> features -> head -> export. Runs in a
 * process of its own, at low priority; ending that process is how it is cancelled.
 * @throws AppError when the data set cannot be trained on
 */
export function transferLearning(task: TrainingTask, tell: OnProgress): Promise<TrainingResult> {
  const clock = new PhaseClock();
  const onProgress: OnProgress = (progress) => {
    clock.enter(progress.phase);
    tell(progress);
  };
  return withDataset(task, onProgress, async ({ source, preflight, extraction, network }) => {
    // Loaded while the backbone computes: the other core has little to do then.
    const [features, { tf, backend }] = await Promise.all([
      datasetFeatures(preflight, source, extraction, network.layers, onProgress),
      loadTensorFlow({ threads: THREADS }),
    ]);
    const libraries = {
      'onnxruntime-node': await network.model.loaded,
      '@tensorflow/tfjs': tf.version['tfjs'] ?? 'unknown',
    };
    const trained = await trainAndTest(tf, features, preflight.classes.length, task.options, onProgress);
    const currentAccuracy = await scoreCurrent(task, preflight, source);
    onProgress({ phase: 'exporting' });
    const thumbnails = await thumbnailsOf(trained.test, preflight, source, task.maxImagePixels);
    const durations = clock.seconds();
    const used = { name: backend, libraries };
    const summary = await writeVersion({
      task,
      preflight,
      trained,
      backend: used,
      durations,
      currentAccuracy,
      thumbnails,
    });
    return { accuracy: trained.test?.evaluation.accuracy, currentAccuracy, summary };
  });
}

/**
 * Looks at a data set as `transferLearning` would, and trains nothing.
 * @throws AppError when the data set cannot be trained on
 */
export function inspectDataset(task: PreflightTask, onProgress: OnProgress): Promise<Preflight['report']> {
  return withDataset(task, onProgress, async ({ preflight }) => preflight.report);
}

interface OpenDataset {
  readonly source: ImageSource;
  readonly preflight: Preflight;
  readonly extraction: FeatureExtraction;
  readonly network: FeatureNetwork;
}

async function withDataset<T>(
  task: PreflightTask,
  onProgress: OnProgress,
  use: (dataset: OpenDataset) => Promise<T>,
): Promise<T> {
  onProgress({ phase: 'reading' });
  const { options, backbone, maxImagePixels: maxPixels, featureDir: cacheDir } = task;
  // The network loads, in a thread of its own, while the data set is read.
  const network =
    options.layers === 'last' ? openFeatureNetwork(backbone) : await openLayeredNetwork(backbone, task.workDir);
  let source: ImageSource | undefined;
  let extraction: FeatureExtraction | undefined;
  try {
    source = await openImageSource(task.datasetPath);
    const dataset = await readDataset(source);
    extraction = await FeatureExtraction.open({
      backbone: {
        key: network.key,
        preprocessing: backbone.preprocessing,
        featureSize: network.layers.reduce((sum, { size }) => sum + size, 0),
        compute: (pixels) => network.model.compute(pixels, 'features'),
      },
      augmentation: options.augmentation,
      seed: options.seed,
      cacheDir,
      maxPixels,
    });
    const inspecting = extraction;
    const timer = new PhaseTimer();
    const preflight = await runPreflight(dataset, source, {
      split: { seed: options.seed, validationShare: options.validation_share, testShare: options.test_share },
      inputSize: backbone.preprocessing.inputSize,
      inspect: (content, digest) => inspecting.inspect(content, digest),
      concurrency: IN_FLIGHT,
      onProgress: (done, total) => {
        onProgress({ phase: 'inspecting', done, total, kept: inspecting.kept, ...timer.secondsLeft(done, total) });
      },
    });
    return await use({ source, preflight, extraction, network });
  } finally {
    extraction?.close();
    await network.model.close();
    await source?.close();
    if (extraction !== undefined) await trimCache(cacheDir, task.maxFeatureBytes);
  }
}

/** Features of every image, and of the copies of those that are trained on; all in the order of the data set. */
async function datasetFeatures(
  { images }: Preflight,
  source: ImageSource,
  extraction: FeatureExtraction,
  layers: FeatureNetwork['layers'],
  onProgress: OnProgress,
): Promise<DatasetFeatures> {
  const of = (split: Split): DatasetImage[] => images.filter((image) => image.split === split);
  const labels = (chosen: readonly DatasetImage[]) => Int32Array.from(chosen, ({ classIndex }) => classIndex);
  const originals = async (chosen: readonly DatasetImage[]) =>
    rowsToMatrix(await Promise.all(chosen.map(({ digest }) => extraction.original(digest))));

  const [train, validation, test] = [of('train'), of('validation'), of('test')];
  const copies = await copiesOf(train, source, extraction, onProgress);
  const sources = Int32Array.from(copies.flatMap((rows, image) => rows.map(() => image)));
  return {
    layers,
    train: {
      set: {
        name: 'features',
        dimension: layers.reduce((sum, { size }) => sum + size, 0),
        originals: await originals(train),
        ...(sources.length > 0 && { copies: { features: rowsToMatrix(copies.flat()), sources } }),
      },
      labels: labels(train),
    },
    validation: { features: await originals(validation), labels: labels(validation) },
    test: { features: await originals(test), labels: labels(test) },
    testNames: test.map(({ file }) => file.name),
  };
}

/** For each image the features of its copies. */
async function copiesOf(
  images: readonly DatasetImage[],
  source: ImageSource,
  extraction: FeatureExtraction,
  onProgress: OnProgress,
): Promise<Float32Array[][]> {
  const copies: Float32Array[][] = [];
  const timer = new PhaseTimer();
  let done = 0;
  await forEachConcurrently(images.entries(), IN_FLIGHT, async ([index, { digest, file }]) => {
    copies[index] = await extraction.copies(digest, () => source.read(file));
    done += 1;
    const { kept } = extraction;
    onProgress({ phase: 'augmenting', done, total: images.length, kept, ...timer.secondsLeft(done, images.length) });
  });
  return copies;
}

function rowsToMatrix(rows: readonly Float32Array[]): Float32Array {
  const dimension = rows[0]?.length ?? 0;
  const matrix = new Float32Array(rows.length * dimension);
  for (const [index, row] of rows.entries()) matrix.set(row, index * dimension);
  return matrix;
}

/** Accuracy of the version that serves now, on the new version's test images; undefined when its classes differ. */
async function scoreCurrent(
  { current, maxImagePixels }: TrainingTask,
  { classes, images }: Preflight,
  source: ImageSource,
): Promise<number | undefined> {
  if (current === undefined || current.labels.length !== classes.length) return undefined;
  const { labels, preprocessing } = current;
  if (!classes.every((name) => labels.includes(name))) return undefined;
  const model = openLocalModel(current, preprocessing);
  try {
    const test = images.filter(({ split }) => split === 'test');
    let correct = 0;
    await forEachConcurrently(test, IN_FLIGHT, async ({ file, label }) => {
      const image = await decodeImage(await source.read(file), maxImagePixels);
      const scores = await model.compute(await preprocessDecoded(image, preprocessing), 'probabilities');
      if (labels[scores.indexOf(Math.max(...scores))] === label) correct += 1;
    });
    return correct / test.length;
  } finally {
    await model.close();
  }
}

/** Small pictures of the images that the report names. */
async function thumbnailsOf(
  test: TestResult | undefined,
  { images }: Preflight,
  source: ImageSource,
  maxPixels: number,
): Promise<ReadonlyMap<string, string>> {
  const thumbnails = new Map<string, string>();
  if (test === undefined) return thumbnails;
  const { worstMistakes, leastCertain, confusedPairs, cells } = test.evaluation;
  const named = new Set([
    ...[...worstMistakes, ...leastCertain, ...cells.flatMap(({ examples }) => examples)].map(({ id }) => id),
    ...confusedPairs.flatMap(({ examples }) => examples),
  ]);
  const shown = images.filter(({ file }) => named.has(file.name));
  await forEachConcurrently(shown, IN_FLIGHT, async ({ file }) => {
    thumbnails.set(file.name, await thumbnail(await source.read(file), THUMBNAIL_SIDE, maxPixels));
  });
  return thumbnails;
}

/** Time left of a phase, by its speed so far. */
class PhaseTimer {
  readonly #start = performance.now();

  secondsLeft(done: number, total: number): { seconds_left: number } {
    const perItem = (performance.now() - this.#start) / done;
    return { seconds_left: Math.round((perItem * (total - done)) / 100) / 10 };
  }
}

/** Seconds that each phase took. */
class PhaseClock {
  readonly #seconds: Record<string, number> = {};
  #phase = 'reading';
  #since = performance.now();

  enter(phase: string): void {
    if (phase === this.#phase) return;
    const now = performance.now();
    this.#seconds[this.#phase] = (this.#seconds[this.#phase] ?? 0) + (now - this.#since) / 1000;
    this.#phase = phase;
    this.#since = now;
  }

  /** Of the phases that are over, to a millisecond. */
  seconds(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#seconds).map(([phase, seconds]) => [phase, Math.round(seconds * 1000) / 1000]),
    );
  }
}
