import { AppError } from '../common/errors.ts';
import { readConceptGraph } from '../registry/zoo.ts';
import { openImageSource, readDataset } from './dataset/dataset.ts';
import type { ImageSource } from './dataset/image-source.ts';
import { type Preflight, runPreflight } from './dataset/preflight.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { encodingCalled, type TextEncoding } from './dataset/text-encoding.ts';
import type { FeatureExtraction } from './features/feature-extraction.ts';
import { IN_FLIGHT } from './features/local-model.ts';
import { expectRoom } from './features/stage-maps.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { withExtraction } from './training-extraction.ts';
import type { InspectionTask } from './training-messages.ts';
import { type OnProgress, phaseTimer } from './training-progress.ts';

/**
 * Inspects a data set as `trainModel` does, without training. Its features are kept for a later training.
 * @throws AppError when the data set cannot be trained on
 */
export async function inspectDataset(task: InspectionTask, onProgress: OnProgress): Promise<PreflightReport> {
  onProgress({ phase: 'reading' });
  const source = await openImageSource(task.datasetPath, encodingOf(task));
  try {
    const { report } = await withExtraction(task, (extraction) => inspect(task, source, extraction, onProgress));
    return report;
  } finally {
    await source.close();
  }
}

/**
 * Reads and divides a data set, and computes the features of its images, so that each is decoded once.
 * @throws AppError when the data set cannot be trained on with the options of the task
 */
export async function inspect(
  { options, backbone, zooDir }: InspectionTask,
  source: ImageSource,
  extraction: FeatureExtraction,
  onProgress: OnProgress,
): Promise<Preflight> {
  const graph = await readConceptGraph(zooDir, () => {
    // The server says so when it uses them.
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

/** How names and tables of a data set are encoded; undefined where that is to be detected. */
export function encodingOf({ options }: Pick<InspectionTask, 'options'>): TextEncoding | undefined {
  return options.encoding === undefined ? undefined : encodingCalled(options.encoding);
}
