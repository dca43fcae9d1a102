import type { PullState } from '../acquire/pull/model-pulls.ts';
import type { Classification, ClassificationRequest } from '../answering/image-classification.ts';
import type { Explanation, ExplanationRequest } from '../answering/image-explanation.ts';
import type { Inference, InferenceRequest, TensorSpecification } from '../answering/tensor-inference.ts';
import type { ExportOptions } from '../catalogue/export/export-format.ts';
import type { ModelExport } from '../catalogue/export/model-export.ts';
import type { ReportFormat } from '../catalogue/model-catalogue.ts';
import type { JsonObject } from '../common/json.ts';
import type { Logger } from '../common/logger.ts';
import type { FinetuneOptions, FinetuneRequest } from '../finetuning/finetune-options.ts';
import type { Job, JobQueue } from '../jobs/job-queue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ServingState } from '../serving/model-serving.ts';

export interface Classifier {
  /** @throws AppError when the request fails as a whole; an image that fails alone is a result with its error */
  classify(request: ClassificationRequest): Promise<Classification>;
}

export interface Explainer {
  /** @throws AppError, among them `not_explainable` and `invalid_request` of a class that the model does not have */
  explain(request: ExplanationRequest): Promise<Explanation>;
  /** The same as a picture, a PNG: heat over the photo. @param opacity 0..1 */
  draw(request: ExplanationRequest, opacity: number): Promise<Uint8Array>;
}

/** What is told of models, and given away. Cards are as `openapi.yaml` has them: `ModelSummary` and `ModelCard`. */
export interface Catalogue {
  list(): readonly JsonObject[];
  /** @throws AppError `model_not_found` */
  describe(id: string): JsonObject | Promise<JsonObject>;
  /** @throws AppError `model_not_found`, `report_not_found`, `model_unavailable` */
  report(id: string, format: ReportFormat): Promise<string>;
  /** Small pictures of the images that the report names: JSON, data URIs by name. @throws as `report` */
  reportPictures(id: string): Promise<string>;
  /** @throws AppError `model_not_found`, `model_unavailable` */
  export(id: string, options: ExportOptions): Promise<ModelExport>;
}

/** What may be changed of models. Each throws an AppError for what is not there or cannot be changed. */
export interface Administration {
  setAlias(id: string, alias: string, version: number): Promise<void>;
  removeAlias(id: string, alias: string): Promise<void>;
  removeVersion(id: string): Promise<void>;
}

/** Tensors in, tensors out. */
export interface InferenceService {
  /** @throws AppError `model_not_found` */
  describe(id: string): Promise<TensorSpecification>;
  /** @throws AppError when the request fails, which it does as a whole */
  infer(request: InferenceRequest): Promise<Inference>;
}

/** Loading and unloading by request. Entries are as `openapi.yaml` has them: `RepositoryEntry`. */
export interface Control {
  index(ready: boolean): readonly JsonObject[];
  /** @throws AppError `model_not_found`, `model_unavailable` */
  load(id: string): Promise<JsonObject>;
  /** @throws AppError `model_not_found` */
  unload(id: string): Promise<JsonObject>;
  /** @throws AppError `model_not_found` */
  state(id: string): ServingState;
}

/** Getting models of the zoo by request. */
export interface Pulls {
  /** @throws AppError `model_not_found`, `invalid_request` */
  start(id: string, backboneOnly: boolean): Promise<PullState>;
  /** @throws AppError `pull_not_found` */
  get(id: string): PullState;
  /** @throws AppError `pull_not_found` */
  cancel(id: string): Promise<PullState>;
  /** @throws AppError `pull_not_found` */
  events(id: string, signal: AbortSignal): AsyncIterable<PullState>;
}

/** Where data sets become models. */
export interface Trainer {
  /** @throws AppError for a data set that cannot be trained on, `model_not_found`, `job_queue_full` */
  submit(request: FinetuneRequest, archivePath: string): Promise<Job>;
  /** The preflight report. @throws as `submit` */
  inspect(options: FinetuneOptions, archivePath: string, signal: AbortSignal): Promise<unknown>;
  readonly jobs: Pick<JobQueue, 'get' | 'list' | 'cancel' | 'events'>;
}

/** Whether the default model answers, and if not, why. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** How much a client may send and how long it may take. */
export interface HttpLimits {
  /** Bytes of one image. */
  readonly maxImageBytes: number;
  /** Images in one request. */
  readonly maxImages: number;
  /** Bytes of a whole multipart body. */
  readonly maxBodyBytes: number;
  /** Milliseconds in which a request must have arrived whole. */
  readonly requestTimeoutMs: number;
  /** Bytes of a data set. */
  readonly maxArchiveBytes: number;
  /** Milliseconds in which a data set must have arrived whole. */
  readonly uploadTimeoutMs: number;
  /** Data sets that may be arriving, or be looked at, at once. */
  readonly maxUploads: number;
}

/** What the interface stands on; `server.ts` puts it together. */
export interface HttpDependencies {
  readonly classifier: Classifier;
  readonly explainer: Explainer;
  readonly models: Catalogue;
  readonly administration: Administration;
  readonly inference: InferenceService;
  readonly control: Control;
  readonly pulls: Pulls;
  readonly finetuning: Trainer;
  /** A folder for data sets that are arriving, on the disk where jobs are kept. */
  readonly uploadDir: string;
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly isShuttingDown: () => boolean;
  readonly metrics: Metrics;
  readonly limits: HttpLimits;
  readonly logger: Logger;
  /** The text of `openapi.yaml`. */
  readonly openapi: string;
  /** The folder of the built page; nothing is there where it was not built. */
  readonly webDir: string;
  readonly version: string;
}
