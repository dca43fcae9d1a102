import type { ImageSource } from './dataset/image-source.ts';
import type { Preflight } from './dataset/preflight.ts';
import { type CorruptedFeatures, corruptedFeatures, planCorruptions } from './features/corrupted-features.ts';
import { type DatasetFeatures, extractFeatures } from './features/dataset-features.ts';
import type { FeatureExtraction } from './features/feature-extraction.ts';
import { IN_FLIGHT } from './features/local-model.ts';
import type { StageMaps } from './features/stage-maps.ts';
import { inspect } from './inspection.ts';
import { withExtraction } from './training-extraction.ts';
import type { TrainingTask } from './training-messages.ts';
import { type OnProgress, phaseTimer } from './training-progress.ts';

/** The images of a data set, and their features for the training of a head. */
export interface ExtractedDataset {
  readonly preflight: Preflight;
  /** Undefined for a search, which computes them as it needs them. */
  readonly features: DatasetFeatures | undefined;
  /** The maps that enter the last stage, when that is trained. */
  readonly maps: StageMaps | undefined;
  readonly onnxRuntimeVersion: string;
}

/** Inspects a data set for a search. @throws AppError as `inspect` */
export function inspectOnly(
  task: TrainingTask,
  source: ImageSource,
  onProgress: OnProgress,
): Promise<ExtractedDataset> {
  return withExtraction(task, async (extraction, network) => ({
    preflight: await inspect(task, source, extraction, onProgress),
    features: undefined,
    maps: undefined,
    onnxRuntimeVersion: await network.loaded,
  }));
}

/** Inspects a data set, and computes the features of all copies and corrupted images. @throws AppError as `inspect` */
export function inspectAndExtract(
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
