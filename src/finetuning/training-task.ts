import type { JsonObject } from '../common/json.ts';
import type { TrainingModel } from './features/feature-network.ts';
import type { FinetuneOptions } from './finetune-options.ts';

/** What looking at a data set needs. */
export interface PreflightTask {
  readonly options: FinetuneOptions;
  /** A zip or a folder. */
  readonly datasetPath: string;
  readonly backbone: TrainingModel;
  /** Where features are kept between jobs. */
  readonly featureDir: string;
  /** What is kept there after a job, in bytes. */
  readonly maxFeatureBytes: number;
  readonly maxImagePixels: number;
  /** An existing folder for temporary files, which the parent process removes when the task ends. */
  readonly workDir: string;
}

/** What training needs beside that. */
export interface TrainingTask extends PreflightTask {
  /** The version that serves now, to be compared with on the same held-out images. */
  readonly current: TrainingModel | undefined;
  /** What the new version will be called, as far as can be told now: nobody else makes versions meanwhile. */
  readonly version: number;
  /** An empty folder for the files of the new version. */
  readonly outDir: string;
}

/** How far a job is. Numbers that the phase does not have are absent. */
export interface TrainingProgress {
  readonly phase: 'reading' | 'inspecting' | 'augmenting' | 'searching' | 'training' | 'evaluating' | 'exporting';
  /** Images, copies, fits or epochs of this phase. */
  readonly done?: number;
  readonly total?: number;
  /** Feature vectors that are on disk: a job that starts again has them. */
  readonly kept?: number;
  /** Of this phase, by its speed so far. */
  readonly seconds_left?: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly val_loss?: number;
  readonly val_accuracy?: number;
}

/** What a training process has made. */
export interface TrainingResult {
  /** Accuracy on the held-out test images, 0..1; undefined when none was held out. */
  readonly accuracy: number | undefined;
  /** Of the version that serves now, on the same images; undefined when there is none or it knows other classes. */
  readonly currentAccuracy: number | undefined;
  readonly summary: JsonObject;
}
