import type { JsonObject } from '../common/json.ts';
import type { Label } from '../registry/manifest.ts';
import type { BucketOptions } from '../registry/s3/bucket.ts';
import type { DistillationOptions } from './distillation/distillation-options.ts';
import type { TrainingModel } from './features/feature-network.ts';
import type { SharedFeatures } from './features/shared-features.ts';
import type { FinetuneOptions } from './finetune-options.ts';

/** Input for the inspection of a data set; plain data. */
export interface InspectionTask {
  readonly options: FinetuneOptions;
  /** A zip or a folder. */
  readonly datasetPath: string;
  readonly backbone: TrainingModel;
  /** The seed of the zoo, for the concepts of its labels. */
  readonly zooDir: string;
  /** Where features are kept between jobs. */
  readonly featureDir: string;
  /** The most bytes that are kept there after a job, and in the bucket. */
  readonly maxFeatureBytes: number;
  /** The bucket in which machines share features; absent where there is none. */
  readonly bucket?: BucketOptions | undefined;
  /** The features in the bucket, opened in the training process. */
  readonly shared?: SharedFeatures | undefined;
  readonly maxImagePixels: number;
  /** An existing folder for temporary files, which the parent process removes when the task ends. */
  readonly workDir: string;
}

/** Input for a training; plain data. */
export interface TrainingTask extends InspectionTask {
  /** The version in service, to be compared with on the same test images. */
  readonly current: TrainingModel | undefined;
  /** Models that a thorough search may choose as backbone, `backbone` first; empty without one. */
  readonly candidates: readonly TrainingModel[];
  /** When a thorough search and the training after it must end, in milliseconds since 1970. */
  readonly deadline: number;
  /** An existing, empty folder for the files of the new version. */
  readonly versionDir: string;
}

/** Input for a distillation; plain data. */
export interface DistillationTask extends Omit<InspectionTask, 'options' | 'backbone' | 'zooDir'> {
  readonly options: DistillationOptions;
  readonly teacher: TrainingModel;
  readonly student: TrainingModel;
  /** Labels of the teacher, with their synsets. */
  readonly labels: readonly Label[];
  /** An existing, empty folder for the files of the new version. */
  readonly versionDir: string;
}

/** Result of a training, beside the files of the version. */
export interface TrainingResult {
  /** Accuracy on the test images, 0..1; undefined when there are none. */
  readonly accuracy: number | undefined;
  /** Accuracy of the version in service on the same images; undefined when there is none or its classes differ. */
  readonly currentAccuracy: number | undefined;
  readonly summary: JsonObject;
}

/** First message to the training process. */
export type TrainingCommand =
  | { readonly type: 'train'; readonly task: TrainingTask }
  | { readonly type: 'distill'; readonly task: DistillationTask }
  | { readonly type: 'inspect'; readonly task: InspectionTask };
