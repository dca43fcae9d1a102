import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import type { ImageSource } from './dataset/image-source.ts';
import { type ExtractedDataset, inspectAndExtract, inspectOnly } from './extract-dataset.ts';
import { trimCache } from './features/cache-folder.ts';
import { planCorruptions } from './features/corrupted-features.ts';
import { type DatasetFeatures, sampleSources } from './features/dataset-features.ts';
import { fineTuneBackbone, type TrainingModel } from './features/feature-network.ts';
import { givenHyperparameters } from './finetune-options.ts';
import { encodingOf } from './inspection.ts';
import { testHierarchy } from './report/hierarchical-test.ts';
import { reportPictures } from './report/report-pictures.ts';
import { scoreCurrent } from './score-current.ts';
import { searchAutomatically } from './search/automatic-search.ts';
import { type TrainedHead, trainAndTest, trainChosen } from './train-and-test.ts';
import { withTraining } from './training.ts';
import type { TrainingResult, TrainingTask } from './training-messages.ts';
import type { OnProgress } from './training-progress.ts';
import { writeVersion } from './version-files.ts';

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
  const encoding = encodingOf(task);
  return await withTraining({ ...task, encoding }, report, async ({ source, onProgress, besideTensorFlow }) => {
    const extract = task.options.search === 'thorough' ? inspectOnly : inspectAndExtract;
    const { extracted, tf, computed } = await besideTensorFlow<ExtractedDataset>(extract(task, source, onProgress));
    const { preflight } = extracted;
    const { trained, backbone } = await train(tf, { ...extracted, task, source }, onProgress);
    const currentAccuracy = await scoreCurrent(task, preflight, source);
    onProgress({ phase: 'exporting' });
    const summary = await writeVersion({
      task: { ...task, backbone },
      version: await reserveVersion(),
      preflight,
      trained,
      ...computed(),
      currentAccuracy,
      hierarchy: trained.test && testHierarchy(trained.test, preflight.synsets, preflight.graph),
      thumbnails: await reportPictures(trained.test, preflight, source, {
        maxPixels: task.maxImagePixels,
        preprocessing: task.backbone.preprocessing,
      }),
    });
    return { accuracy: trained.test?.evaluation.accuracy, currentAccuracy, summary };
  });
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
    shared: task.shared,
    maxPixels: task.maxImagePixels,
    workDir: task.workDir,
    furtherPasses: (copies) => {
      const count = (split: string): number => preflight.images.filter((image) => image.split === split).length;
      const computed = preflight.images.length + count('train') * copies;
      const corrupted = options.corruptions && count('test') > 0 ? planCorruptions(count('test'), computed).length : 0;
      // The version in service answers the test images too.
      return corrupted + (task.current === undefined ? 0 : count('test'));
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
    return await trainAndTest(tf, features, classes.length, options, onProgress, { stage });
  } finally {
    // While they are in use they stay, even where they are more than the cache may hold.
    maps.close();
    await trimCache(featureDir, maxFeatureBytes);
  }
}
