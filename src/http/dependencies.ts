import type { JsonObject } from '../json.ts';
import type { Logger } from '../logger.ts';
import type { Classification, ClassificationRequest } from '../pipelines/image-classification.ts';
import type { Metrics } from './metrics.ts';

export interface Classifier {
  /** @throws AppError when the request fails as a whole; an image that fails alone is a result with its error */
  classify(request: ClassificationRequest): Promise<Classification>;
}

/** What is told of models. Cards are as `openapi.yaml` has them: `ModelSummary` and `ModelCard`. */
interface ModelCatalogue {
  list(): readonly JsonObject[];
  /** @throws AppError `model_not_found` */
  describe(id: string): JsonObject | Promise<JsonObject>;
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
}

/** What the interface stands on; `server.ts` puts it together. */
export interface HttpDependencies {
  readonly classifier: Classifier;
  readonly models: ModelCatalogue;
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly isShuttingDown: () => boolean;
  readonly metrics: Metrics;
  readonly limits: HttpLimits;
  readonly logger: Logger;
  /** The text of `openapi.yaml`. */
  readonly openapi: string;
  readonly version: string;
}
