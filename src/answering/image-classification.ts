import { AppError } from '../common/errors.ts';
import type { PreprocessedImage, Preprocessing } from '../image/preprocess.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import type { Admission } from '../serving/admission.ts';
import type { BatchItem, BatchResult } from '../serving/batcher.ts';
import { topK } from './postprocess.ts';

/** One uploaded file. `filename` is text to show, never a path. */
export interface UploadedImage {
  readonly filename: string;
  readonly bytes: Uint8Array;
  /** Called once `bytes` are needed no more, if they were lent. */
  readonly release?: () => void;
}

/** What a client asks for. */
export interface ClassificationRequest {
  /** `name`, `name@version` or `name@alias`; the default model when absent. */
  readonly model?: string;
  readonly runtime: RuntimeName;
  /** How many classes to name, from the likeliest. */
  readonly topK: number;
  /** Classes of a lower score are not named; 0..1. */
  readonly threshold: number;
  readonly images: readonly UploadedImage[];
  /** Aborted when the client is gone: images that still wait are dropped. */
  readonly signal: AbortSignal;
}

/** A class and its probability. */
export interface Prediction extends Label {
  readonly score: number;
  readonly index: number;
}

export type ImageResult =
  | {
      readonly filename: string;
      readonly predictions: readonly Prediction[];
      /** Of a model that knows its limits: whether it is too unsure for its answer to count. */
      readonly unknown?: boolean;
      readonly timings: ImageTimings;
    }
  | { readonly filename: string; readonly error: AppError };

/** The answer to one request; `results` in the order of the images. */
export interface Classification {
  readonly model: string;
  readonly version: number;
  readonly runtime: RuntimeName;
  readonly results: readonly ImageResult[];
  readonly timings: { readonly totalMs: number };
}

/** What the pipeline stands on; `services.ts` puts it together. */
export interface ClassifierParts {
  readonly resolve: (reference: string) => ModelVersion;
  readonly defaultModel: string;
  /** Lets `work` use the queue of a model, which is loaded before and stays so until then. */
  readonly use: <T>(model: ModelVersion, runtime: RuntimeName, work: (queue: ImageQueue) => Promise<T>) => Promise<T>;
  readonly preprocess: (bytes: Uint8Array, recipe: Preprocessing) => Promise<PreprocessedImage>;
  readonly admission: Admission;
  /** Told of each image that was classified, for metrics. */
  readonly onImage: (model: ModelVersion, runtime: RuntimeName, timings: ImageTimings) => void;
}

/** The part of a batcher that the pipeline uses. */
export interface ImageQueue {
  submit(pixels: Uint8Array, item: BatchItem): Promise<BatchResult>;
}

/** Errors that concern one image alone; any other fails the whole request. */
const IMAGE_ERRORS: ReadonlySet<string> = new Set([
  'unsupported_image',
  'corrupt_image',
  'image_too_large',
  'empty_image',
  'engine_lost',
]);

/** decode -> preprocess -> batcher -> engine -> postprocess, for requests of one or many images. */
export class ImageClassifier {
  readonly #parts: ClassifierParts;

  constructor(parts: ClassifierParts) {
    this.#parts = parts;
  }

  /**
   * Classifies the images of one request. An image that cannot be read spoils no other: its result is its error.
   * @throws AppError when the request fails as a whole: `model_not_found`, `queue_full`, `model_unavailable`, ...
   */
  async classify(request: ClassificationRequest): Promise<Classification> {
    const start = performance.now();
    const { images, runtime, signal } = request;
    const { resolve, defaultModel, admission, use } = this.#parts;
    const model = resolve(request.model ?? defaultModel);
    const leave = admission.admit(images.length);
    try {
      const results = await use(model, runtime, (queue) =>
        Promise.all(images.map((image) => this.#classifyImage(image, model, queue, request))),
      );
      signal.throwIfAborted();
      const timings = { totalMs: performance.now() - start };
      return { model: model.name, version: model.version, runtime, results, timings };
    } finally {
      leave();
    }
  }

  async #classifyImage(
    { filename, bytes, release }: UploadedImage,
    model: ModelVersion,
    queue: ImageQueue,
    request: ClassificationRequest,
  ): Promise<ImageResult> {
    const start = performance.now();
    try {
      const { pixels } = await this.#parts.preprocess(bytes, model.manifest.preprocessing).finally(release);
      const decodeMs = performance.now() - start;
      const { outputs, queueMs, inferenceMs, batchSize } = await queue.submit(pixels, {
        priority: request.images.length === 1 ? 'interactive' : 'bulk',
        signal: request.signal,
        outputs: ['probabilities'],
      });
      const timings = { decodeMs, queueMs, inferenceMs, batchSize };
      this.#parts.onImage(model, request.runtime, timings);
      const { labels, file } = model.manifest;
      const { probabilities } = outputs;
      if (probabilities === undefined) throw new Error('the engine gave no probabilities');
      return {
        filename,
        predictions: predictionsOf(probabilities, labels, request),
        ...(file.unknown_threshold !== undefined && { unknown: Math.max(...probabilities) < file.unknown_threshold }),
        timings,
      };
    } catch (thrown) {
      if (thrown instanceof AppError && IMAGE_ERRORS.has(thrown.code)) return { filename, error: thrown };
      throw thrown;
    }
  }
}

function predictionsOf(
  probabilities: Float32Array,
  labels: readonly Label[],
  { topK: count, threshold }: ClassificationRequest,
): Prediction[] {
  return topK(probabilities, count, threshold).map(({ index, score }) => ({
    label: `class ${index}`,
    ...labels[index],
    score,
    index,
  }));
}
