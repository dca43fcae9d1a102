/**
 * Menagerie as a library: image classification in one's own program, and its HTTP server to start or to mount.
 * @packageDocumentation
 */

export { AppError as MenagerieError, type ErrorCode, type ErrorExtras } from './common/errors.ts';
export type { CorruptedAnswer, CorruptionScore, Robustness } from './finetuning/head/robustness.ts';
export type { TrainingPhase } from './finetuning/training-progress.ts';
export type { Corruption, CorruptionKind, Severity } from './image/corruptions/corrupt.ts';
export type {
  ClassifyOptions,
  Concept,
  DrawOptions,
  ExplainOptions,
  Explanation,
  ImageAnswer,
  ImageInput,
  NamedConcept,
  Prediction,
  Runtime,
  Tta,
} from './library/answers.ts';
export { createServer, type MenagerieServer } from './library/create-server.ts';
export type {
  DistillOptions,
  FinetuneJob,
  FinetuneOptions,
  FinetuneProgress,
  FinetuneResult,
} from './library/finetune-job.ts';
export type { AugmentationOptions, TrainingOptions } from './library/finetune-options.ts';
export type { ModelInfo, ModelState } from './library/model-info.ts';
export { openZoo } from './library/open-zoo.ts';
export type { DownloadOptions, ServerOptions, ZooOptions } from './library/settings.ts';
export type {
  ComparedVariant,
  EvaluateOptions,
  Evaluation,
  ExportOptions,
  FittedNovelty,
  ModelExport,
  NoveltySeparation,
  PullOptions,
  PullProgress,
  QuantizedVariant,
  QuantizeOptions,
  QuantizeProgress,
  Zoo,
} from './library/zoo.ts';
export type { ConceptAccuracy, HierarchicalAccuracy } from './registry/hierarchical-accuracy.ts';
