import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from '../common/concurrency.ts';
import { AppError } from '../common/errors.ts';
import { corrupt as corruptPixels } from '../image/corruptions/corrupt.ts';
import { decodeImage } from '../image/decode.ts';
import { preprocessDecoded } from '../image/preprocess.ts';
import { thumbnail, thumbnailOf } from '../image/thumbnail.ts';
import { readConceptGraph } from '../registry/zoo.ts';
import { loadTensorFlow, type TensorFlow } from '../runtime/tensorflow.ts';
import { openImageSource, readDataset } from './dataset/dataset.ts';
import type { ImageSource } from './dataset/image-source.ts';
import { type Preflight, runPreflight } from './dataset/preflight.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { encodingCalled, type TextEncoding } from './dataset/text-encoding.ts';
import { trimCache } from './features/cache-folder.ts';
import { type CorruptedFeatures, corruptedFeatures, planCorruptions } from './features/corrupted-features.ts';
import { type DatasetFeatures, extractFeatures, sampleSources } from './features/dataset-features.ts';
import { FeatureExtraction } from './features/feature-extraction.ts';
import {
  type FeatureNetwork,
  fineTuneBackbone,
  openTrainingNetwork,
  type TrainingModel,
} from './features/feature-network.ts';
import { MAX_SESSIONS, openLocalModel } from './features/local-model.ts';
import { expectRoom, type StageMaps } from './features/stage-maps.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import type { TestResult } from './head/test-result.ts';
import { testHierarchy } from './report/hierarchical-test.ts';
import { corruptedPicture } from './report/test-report.ts';
import { searchAutomatically } from './search/automatic-search.ts';
import { givenHyperparameters, type TrainedHead, trainAndTest, trainChosen } from './train-and-test.ts';
import type { InspectionTask, TrainingResult, TrainingTask } from './training-messages.ts';
import { type OnProgress, PhaseClock, phaseTimer } from './training-progress.ts';
import { writeVersion } from './version-files.ts';

/** Images in decoding and in the backbone at once: each session computes a batch while its next one is decoded. */
const IN_FLIGHT = 32 * MAX_SESSIONS;
/** Threads of the native TensorFlow.js backend: the other cores are for requests. */
const THREADS = 1;
/** Longer side of the report's pictures, in pixels. */
const THUMBNAIL_SIDE = 96;

/**
 * Trains on a labelled archive and writes the files of a new version: archive -> dataset -> features -> head -> files.
 * Meant for a process of its own: it has no other way to be cancelled than the end of that process.
 * @param reserveVersion gives the number of the new version; called once the head is trained
 * @throws AppError when the data set cannot be trained on
 */
export async function trainModel(
  task: TrainingTask,
  reserveVersion: () => Promise<number>,
  report: OnProgress,
): Promise<TrainingResult> {
  const clock = new PhaseClock();
  const onProgress: OnProgress = (progress) => {
    clock.enter(progress.phase);
    report(progress);
  };
  onProgress({ phase: 'reading' });
  const source = await openImageSource(task.datasetPath, encodingOf(task));
  try {
    // TensorFlow.js loads while the backbone computes: the other core has little to do then.
    const [extracted, { tf, backend }] = await Promise.all([
      task.options.search === 'thorough'
        ? inspectOnly(task, source, onProgress)
        : inspectAndExtract(task, source, onProgress),
      loadTensorFlow({ threads: THREADS }),
    ]);
    const { preflight, onnxRuntimeVersion } = extracted;
    const { trained, backbone } = await train(tf, { ...extracted, task, source }, onProgress);
    const currentAccuracy = await scoreCurrent(task, preflight, source);
    onProgress({ phase: 'exporting' });
    const summary = await writeVersion({
      task: { ...task, backbone },
      version: await reserveVersion(),
      preflight,
      trained,
      backend: {
        name: backend,
        libraries: { 'onnxruntime-node': onnxRuntimeVersion, '@tensorflow/tfjs-core': tf.version_core },
      },
      durations: clock.seconds(),
      currentAccuracy,
      hierarchy: trained.test && testHierarchy(trained.test, preflight.synsets, preflight.graph),
      thumbnails: await thumbnailsOf(trained.test, preflight, source, task),
    });
    return { accuracy: trained.test?.evaluation.accuracy, currentAccuracy, summary };
  } finally {
    await source.close();
  }
}

/**
 * Inspects a data set as `trainModel` does, without training. Its features are kept for a later training.
 * @throws AppError when the data set cannot be trained on
 */
export async function inspectDataset(task: InspectionTask, onProgress: OnProgress): Promise<PreflightReport> {
  onProgress({ phase: 'reading' });
  const source = await openImageSource(task.datasetPath, encodingOf(task));
  try {
    return await withExtraction(task, async (extraction) => {
      const { report } = await inspect(task, source, extraction, onProgress);
      return report;
    });
  } finally {
    await source.close();
  }
}

/** The images of a data set, and their features for the training of a head. */
interface ExtractedDataset {
  readonly preflight: Preflight;
  /** Undefined for a search, which computes them as it needs them. */
  readonly features: DatasetFeatures | undefined;
  /** The maps that enter the last stage, when that is trained. */
  readonly maps: StageMaps | undefined;
  readonly onnxRuntimeVersion: string;
}

/** Trains a head on the task's backbone, or on what a thorough search chooses. */
async function train(
  tf: TensorFlow,
  {
    task,
    source,
    preflight,
    features,
    maps,
  }: Pick<ExtractedDataset, 'preflight' | 'features' | 'maps'> & {
    readonly task: TrainingTask;
    readonly source: ImageSource;
  },
  onProgress: OnProgress,
): Promise<{ trained: TrainedHead; backbone: TrainingModel }> {
  const { options, candidates, backbone } = task;
  const classes = preflight.classes.length;
  if (features !== undefined)
    return { trained: await trainOn(tf, task, { preflight, features, maps }, onProgress), backbone };
  onProgress({ phase: 'searching', done: 0, rung: 1 });
  const chosen = await searchAutomatically(tf, {
    source,
    images: preflight.images,
    classes,
    backbones: candidates,
    augmentation: options.augmentation,
    seed: options.seed,
    layers: options.layers,
    fixed: givenHyperparameters(options),
    preference: options.prefer,
    budgetMinutes: options.budget_minutes,
    deadline: task.deadline,
    featureDir: task.featureDir,
    maxPixels: task.maxImagePixels,
    workDir: task.workDir,
    furtherPasses: (copies) => {
      const count = (split: string): number => preflight.images.filter((image) => image.split === split).length;
      const computed = preflight.images.length + count('train') * copies;
      return options.corruptions && count('test') > 0 ? planCorruptions(count('test'), computed).length : 0;
    },
    onTrial: ({ done, total, accuracy, rung, rungs, best }) =>
      onProgress({ phase: 'searching', done, total, rung, rungs, val_accuracy: accuracy, best_accuracy: best }),
  });
  const varied = { ...options, augmentation: chosen.augmentation };
  // Most of the features are in the cache. The phases before the search are not reported again.
  // The network is written to a folder of its own: that of the task has the default backbone's.
  const workDir = await mkdtemp(join(task.workDir, 'chosen-'));
  const winning = { ...task, options: varied, backbone: chosen.backbone, workDir };
  const extracted = await inspectAndExtract(winning, source, () => {});
  return {
    trained: await trainChosen(tf, chosen, extracted.features, classes, options, onProgress),
    backbone: chosen.backbone,
  };
}

function inspectOnly(task: TrainingTask, source: ImageSource, onProgress: OnProgress): Promise<ExtractedDataset> {
  return withExtraction(task, async (extraction, network) => ({
    preflight: await inspect(task, source, extraction, onProgress),
    features: undefined,
    maps: undefined,
    onnxRuntimeVersion: await network.loaded,
  }));
}

function inspectAndExtract(
  task: TrainingTask,
  source: ImageSource,
  onProgress: OnProgress,
): Promise<ExtractedDataset & { readonly features: DatasetFeatures }> {
  return withExtraction(task, async (extraction, network) => {
    const preflight = await inspect(task, source, extraction, onProgress);
    // Not for a trained last stage, which computes other features than the backbone does.
    const tested = task.options.corruptions && network.entry === undefined;
    const corrupted = tested ? await corrupt(preflight, source, extraction, onProgress) : undefined;
    const timer = phaseTimer();
    const features = await extractFeatures(preflight, source, extraction, {
      concurrency: IN_FLIGHT,
      onProgress: (done, total) => {
        onProgress({ phase: 'augmenting', done, total, kept: extraction.kept, ...timer(done, total) });
      },
    });
    const maps = network.entry && extraction.openMaps();
    return { preflight, features: { ...features, corrupted }, maps, onnxRuntimeVersion: await network.loaded };
  });
}

/** Features of corrupted test images; undefined when there are no test images. */
async function corrupt(
  { images }: Preflight,
  source: ImageSource,
  extraction: FeatureExtraction,
  onProgress: OnProgress,
): Promise<CorruptedFeatures | undefined> {
  const tested = images.filter(({ split }) => split === 'test');
  if (tested.length === 0) return undefined;
  const trained = images.filter(({ split }) => split === 'train');
  const plan = planCorruptions(tested.length, images.length + trained.length * extraction.copiesPerImage);
  const timer = phaseTimer();
  return corruptedFeatures(plan, tested, source, extraction, {
    concurrency: IN_FLIGHT,
    onProgress: (done, total) => {
      onProgress({ phase: 'corrupting', done, total, kept: extraction.kept, ...timer(done, total) });
    },
  });
}

/** Opens the backbone and the features' cache, and closes them when the features are there: they hold much memory. */
async function withExtraction<T>(
  { options, backbone, maxImagePixels, featureDir, maxFeatureBytes, workDir }: InspectionTask,
  use: (extraction: FeatureExtraction, network: FeatureNetwork) => Promise<T>,
): Promise<T> {
  const network = await openTrainingNetwork(options, backbone, workDir);
  const { augmentation, seed } = options;
  try {
    const extraction = await FeatureExtraction.open({
      network,
      augmentation,
      seed,
      cacheDir: featureDir,
      maxPixels: maxImagePixels,
    });
    try {
      return await use(extraction, network);
    } finally {
      extraction.close();
      await trimCache(featureDir, maxFeatureBytes);
    }
  } finally {
    await network.close();
  }
}

/** Trains on a data set, with the last stage of the backbone where that was asked for. */
async function trainOn(
  tf: TensorFlow,
  { options, backbone, featureDir, maxFeatureBytes }: TrainingTask,
  {
    preflight: { images, classes },
    features,
    maps,
  }: Pick<ExtractedDataset, 'preflight' | 'maps'> & { readonly features: DatasetFeatures },
  onProgress: OnProgress,
): Promise<TrainedHead> {
  if (maps === undefined) return await trainAndTest(tf, features, classes.length, options, onProgress);
  const sources = sampleSources(images, options.augmentation.copies);
  const stage = { maps, sources, backbone: fineTuneBackbone(backbone) };
  try {
    return await trainAndTest(tf, features, classes.length, options, onProgress, stage);
  } finally {
    // While they are in use they stay, even where they are more than the cache may hold.
    maps.close();
    await trimCache(featureDir, maxFeatureBytes);
  }
}

function encodingOf({ options }: Pick<InspectionTask, 'options'>): TextEncoding | undefined {
  return options.encoding === undefined ? undefined : encodingCalled(options.encoding);
}

async function inspect(
  { options, backbone, zooDir }: InspectionTask,
  source: ImageSource,
  extraction: FeatureExtraction,
  onProgress: OnProgress,
): Promise<Preflight> {
  const graph = await readConceptGraph(zooDir, () => {
    // The server has said so when it started.
  });
  const dataset = await readDataset(source, encodingOf({ options }));
  if (extraction.mapSize !== undefined) {
    expectRoom(dataset.files.length, options.augmentation.copies, extraction.mapSize);
  }
  const timer = phaseTimer();
  const preflight = await runPreflight(dataset, source, {
    split: { seed: options.seed, validationShare: options.validation_share, testShare: options.test_share },
    synsets: options.synsets,
    graph,
    inputSize: backbone.preprocessing.inputSize,
    inspect: (content, digest) => extraction.inspect(content, digest),
    concurrency: IN_FLIGHT,
    onProgress: (done, total) => {
      onProgress({ phase: 'inspecting', done, total, kept: extraction.kept, ...timer(done, total) });
    },
  });
  expectClasses(preflight.classes, options.synsets);
  if (options.depth === 'last_stage' && !preflight.images.some(({ split }) => split === 'validation')) {
    throw new AppError(
      'invalid_request',
      'depth: last_stage needs validation images, which decide whether it is better than the head alone: set ' +
        'validation_share above 0',
      { context: { field: 'depth' } },
    );
  }
  return preflight;
}

/** @throws AppError `invalid_request` when an option gives the synset of what is no class */
function expectClasses(classes: readonly string[], synsets: FinetuneOptions['synsets'] = {}): void {
  const others = Object.keys(synsets).filter((name) => !classes.includes(name));
  if (others.length === 0) return;
  throw new AppError(
    'invalid_request',
    `synsets: ${JSON.stringify(others[0])} is not a class of the data set; the classes are ` +
      `${classes.slice(0, 10).join(', ')}${classes.length > 10 ? ', ...' : ''}`,
    { context: { field: 'synsets' } },
  );
}

/** Accuracy of the version in service on the new version's test images; undefined when its classes differ. */
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
      const image = await decodeImage(await source.read(file), maxImagePixels, preprocessing.icc);
      const scores = await model.compute(await preprocessDecoded(image, preprocessing), 'probabilities');
      if (labels[scores.indexOf(Math.max(...scores))] === label) correct += 1;
    });
    return correct / test.length;
  } finally {
    await model.close();
  }
}

/** Small pictures of the images that the report names, as data URIs by name. */
async function thumbnailsOf(
  test: TestResult | undefined,
  { images }: Preflight,
  source: ImageSource,
  { maxImagePixels: maxPixels, backbone: { preprocessing } }: TrainingTask,
): Promise<ReadonlyMap<string, string>> {
  const thumbnails = new Map<string, string>();
  if (test === undefined) return thumbnails;
  await forEachConcurrently(test.robustness?.worst ?? [], IN_FLIGHT, async (answer) => {
    const found = images.find(({ file }) => file.name === answer.id);
    if (found === undefined) return;
    const image = await decodeImage(await source.read(found.file), maxPixels, preprocessing.icc);
    const [height, width] = preprocessing.inputSize;
    const input = { pixels: await preprocessDecoded(image, preprocessing), width, height };
    const pixels = await corruptPixels(input, answer, found.digest);
    thumbnails.set(corruptedPicture(answer), await thumbnailOf({ pixels, width, height }, THUMBNAIL_SIDE));
  });
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
