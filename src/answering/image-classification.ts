import { AppError } from '../common/errors.ts';
import type { ImageWarning } from '../image/read-image.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import { type ImagePipeline, outputOf, type PipelineSteps, type UploadedImage } from './image-pipeline.ts';
import { type RankedClass, topK } from './postprocess.ts';

/** A request to classify images. */
export interface ClassificationRequest {
  /** `name`, `name@version` or `name@alias`; the default model when absent. */
  readonly model?: string;
  readonly runtime: RuntimeName;
  /** How many classes to name, the most probable first. */
  readonly topK: number;
  /** Classes with a lower score are left out; 0..1. */
  readonly threshold: number;
  readonly images: readonly UploadedImage[];
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** A class and its probability. */
export interface Prediction extends Label, RankedClass {}

/** Predictions for one image, or the error that it caused. */
export type ImageResult =
  | {
      readonly filename: string;
      readonly predictions: readonly Prediction[];
      /** Whether the best score is below the model's threshold; absent when the model has none. */
      readonly unknown?: boolean;
      /** Findings about the file; mostly none. */
      readonly warnings: readonly ImageWarning[];
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

/** Dependencies of `ImageClassifier`. */
export interface ClassifierParts {
  readonly registry: Pick<Registry, 'resolveClassifier'>;
  readonly defaultModel: string;
  readonly pipeline: Pick<ImagePipeline, 'run'>;
}

/**
 * Errors that concern one image alone; any other fails the whole request. `internal` is an image for which the model
 * computes values that are not finite.
 */
const IMAGE_ERRORS: ReadonlySet<string> = new Set([
  'unsupported_image',
  'corrupt_image',
  'image_too_large',
  'empty_image',
  'engine_lost',
  'internal',
]);

/** Names the classes that images show, for requests of one or many images. */
export class ImageClassifier {
  readonly #parts: ClassifierParts;

  constructor(parts: ClassifierParts) {
    this.#parts = parts;
  }

  /**
   * Classifies the images of one request. An image that cannot be read does not affect the others: its result is an
   * error.
   * @throws AppError when the request fails as a whole: `model_not_found`, `queue_full`, `model_unavailable`, ...
   */
  async classify(request: ClassificationRequest): Promise<Classification> {
    const start = performance.now();
    const { images, runtime, signal } = request;
    const { registry, defaultModel, pipeline } = this.#parts;
    try {
      const model = registry.resolveClassifier(request.model ?? defaultModel);
      const results = await pipeline.run({ model, runtime, images, signal }, (image, steps) =>
        classifyImage(image, steps, model, request),
      );
      const timings = { totalMs: performance.now() - start };
      return { model: model.name, version: model.version, runtime, results, timings };
    } finally {
      for (const { release } of images) release?.();
    }
  }
}

async function classifyImage(
  { filename, bytes, release }: UploadedImage,
  steps: PipelineSteps,
  { manifest }: ModelVersion,
  request: ClassificationRequest,
): Promise<ImageResult> {
  try {
    const { pixels, decodeMs, warnings } = await steps.preprocess(bytes).finally(release);
    const computed = await steps.compute(pixels, decodeMs, { outputs: ['probabilities'] });
    const probabilities = outputOf(computed, 'probabilities');
    const { unknown_threshold: threshold } = manifest.file;
    return {
      filename,
      predictions: predictionsOf(probabilities, manifest.labels, request),
      ...(threshold !== undefined && { unknown: probabilities.every((score) => score < threshold) }),
      warnings,
      timings: computed.timings,
    };
  } catch (thrown) {
    if (thrown instanceof AppError && IMAGE_ERRORS.has(thrown.code)) return { filename, error: thrown };
    throw thrown;
  }
}

function predictionsOf(
  probabilities: Float32Array,
  labels: readonly Label[],
  { topK: count, threshold }: ClassificationRequest,
): Prediction[] {
  return topK(probabilities, count, threshold).map((ranked) => predictionOf(ranked, labels));
}

/** A class with its label; models of unlabelled classes count them. */
export function predictionOf({ index, score }: RankedClass, labels: readonly Label[]): Prediction {
  return { label: `class ${index}`, ...labels[index], score, index };
}
