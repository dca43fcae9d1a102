import type { DatasetFeatures, sampleSources } from '../features/dataset-features.ts';
import type { StageMaps } from '../features/stage-maps.ts';
import type { Pictures } from './pictures.ts';

/** What a student is trained on. */
export interface DistillationData {
  readonly pictures: Pictures;
  /** Features of the student; every label is 0. */
  readonly features: DatasetFeatures;
  /** Logits of the teacher, in the same order. */
  readonly answers: DatasetFeatures;
  readonly sources: ReturnType<typeof sampleSources>;
  /** The maps that enter the student's last stage, when that is trained. */
  readonly maps: StageMaps | undefined;
  readonly onnxRuntimeVersion: string;
}
