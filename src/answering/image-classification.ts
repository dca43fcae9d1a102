import { AppError } from '../common/errors.ts';
import type { Preprocessing } from '../image/crop.ts';
import type { ImageWarning } from '../image/read-image.ts';
import { cornerViews, enlarged, mirrorView, type TtaMode, VIEWS } from '../image/views.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type {
  BackedOffConcept,
  ClassHierarchies,
  ClassHierarchy,
  ConceptScores,
  ScoredConcept,
} from '../registry/class-hierarchy.ts';
import type { Label } from '../registry/manifest.ts';
import { inVariant, type ModelVersion, type Registry, type Variant } from '../registry/registry.ts';
import type { Manifest } from '../registry/resolve-manifest.ts';
import type { RuntimeName } from '../runtime/session.ts';
import type { OutputRows } from '../serving/batcher.ts';
import { type ImagePipeline, outputOf, type PipelineSteps, type UploadedImage } from './image-pipeline.ts';
import { type RankedClass, topK } from './postprocess.ts';

/** A request to classify images. */
export interface ClassificationRequest {
  /** `name`, `name@version` or `name@alias`; the default model when absent. */
  readonly model?: string;
  readonly runtime: RuntimeName;
  /** `float32` when absent; others only with `onnx`. */
  readonly variant?: Variant;
  /** How many classes to name, the most probable first. */
  readonly topK: number;
  /**
   * Classes and concepts with a lower score are left out; 0..1. When absent, it is 0 for classes, and for concepts
   * `CONCEPT_THRESHOLD`.
   */
  readonly threshold?: number;
  /** Whether to sum the scores of classes up the hypernyms of WordNet; false when absent. */
  readonly hierarchy?: boolean;
  /** Whether the scores are means over several views of each image; over one when absent. */
  readonly tta?: TtaMode;
  readonly images: readonly UploadedImage[];
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** A class and its probability. */
export interface Prediction extends Label, RankedClass {
  /** With `hierarchy`: from the first hypernym of the class to the root; empty without a known synset. */
  readonly path?: readonly ScoredConcept[];
}

/** The score that a concept needs when the client does not say: more likely than not. */
const CONCEPT_THRESHOLD = 0.5;

/** Predictions for one image, or the error that it caused. */
export type ImageResult =
  | {
      readonly filename: string;
      readonly predictions: readonly Prediction[];
      /** With `hierarchy`: the most specific concept whose score passes the threshold; null when none does. */
      readonly concept?: BackedOffConcept | null;
      /** How unlike the training images it is: above 1 it shows none of the classes. Absent without a detector. */
      readonly novelty?: number;
      /** Whether it shows none of the classes; absent when the model cannot tell. */
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
  readonly variant: Variant;
  readonly runtime: RuntimeName;
  readonly results: readonly ImageResult[];
  readonly timings: { readonly totalMs: number };
}

/** Dependencies of `ImageClassifier`. */
export interface ClassifierParts {
  readonly registry: Pick<Registry, 'resolveClassifier'>;
  readonly defaultModel: string;
  readonly hierarchies: Pick<ClassHierarchies, 'of'>;
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
   * @throws AppError when the request fails as a whole: `model_not_found`, `queue_full`, `model_unavailable`, ...;
   * `no_hierarchy` when hypernyms are wanted and no class has any; `variant_unavailable`
   */
  async classify(request: ClassificationRequest): Promise<Classification> {
    const start = performance.now();
    const { images, runtime, tta, signal } = request;
    const { registry, defaultModel, hierarchies, pipeline } = this.#parts;
    try {
      const { variant = 'float32' } = request;
      const model = inVariant(registry.resolveClassifier(request.model ?? defaultModel), variant);
      if (model.variant !== undefined && runtime !== 'onnx') throw onnxVariant(runtime);
      const hierarchy = request.hierarchy ? hierarchies.of(model.manifest.labels) : undefined;
      if (request.hierarchy && hierarchy === undefined) throw noHierarchy(model);
      const views = tta === undefined ? 1 : VIEWS[tta];
      const results = await pipeline.run({ model, runtime, images, views, signal }, (image, steps) =>
        classifyImage(image, steps, { model, hierarchy, request }),
      );
      const timings = { totalMs: performance.now() - start };
      return { model: model.name, version: model.version, variant, runtime, results, timings };
    } finally {
      for (const { release } of images) release?.();
    }
  }
}

interface ImageTask {
  readonly model: ModelVersion;
  readonly hierarchy: ClassHierarchy | undefined;
  readonly request: ClassificationRequest;
}

async function classifyImage(
  { filename, bytes, release }: UploadedImage,
  steps: PipelineSteps,
  { model: { manifest }, hierarchy, request }: ImageTask,
): Promise<ImageResult> {
  try {
    const { views, decodeMs, warnings } = await viewsOf(bytes, steps, manifest.preprocessing, request.tta).finally(
      release,
    );
    const { novelty } = manifest.file;
    const outputs = novelty === undefined ? (['probabilities'] as const) : (['probabilities', 'novelty'] as const);
    const computed = await steps.computeViews(views, decodeMs, { outputs });
    const probabilities = meanOf(computed.outputs.map((outputs) => outputOf({ outputs }, 'probabilities')));
    const predictions = predictionsOf(probabilities, manifest.labels, request);
    return {
      filename,
      ...(hierarchy === undefined
        ? { predictions }
        : inHierarchy(predictions, hierarchy, hierarchy.scores(probabilities), request)),
      ...isUnknown(computed.outputs, probabilities, manifest),
      warnings,
      timings: computed.timings,
    };
  } catch (thrown) {
    if (thrown instanceof AppError && IMAGE_ERRORS.has(thrown.code)) return { filename, error: thrown };
    throw thrown;
  }
}

interface Views {
  readonly views: readonly Uint8Array[];
  readonly decodeMs: number;
  readonly warnings: readonly ImageWarning[];
}

async function viewsOf(
  bytes: Uint8Array,
  steps: PipelineSteps,
  recipe: Preprocessing,
  tta: TtaMode | undefined,
): Promise<Views> {
  const { pixels, decodeMs, warnings } = await steps.preprocess(bytes);
  if (tta === undefined) return { views: [pixels], decodeMs, warnings };
  if (tta === 'flip') return { views: [pixels, mirrorView(pixels, recipe.inputSize[1])], decodeMs, warnings };
  const larger = await steps.preprocess(bytes, enlarged(recipe));
  const views = [pixels, ...cornerViews(larger.pixels, recipe)];
  return { views, decodeMs: decodeMs + larger.decodeMs, warnings };
}

/** The mean of rows of equal length. */
function meanOf(rows: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array(), ...others] = rows;
  if (others.length === 0) return first;
  return first.map((value, index) => others.reduce((sum, row) => sum + (row[index] ?? 0), value) / rows.length);
}

/**
 * An image is unknown when its novelty is above 1. Only versions from before there were detectors go by the best
 * score.
 */
function isUnknown(
  views: readonly OutputRows[],
  probabilities: Float32Array,
  { file }: Manifest,
): { readonly novelty?: number; readonly unknown?: boolean } {
  if (file.novelty !== undefined) {
    const [novelty = 0] = meanOf(views.map((outputs) => outputOf({ outputs }, 'novelty')));
    return { novelty, unknown: novelty > 1 };
  }
  const { unknown_threshold: threshold } = file;
  if (threshold === undefined) return {};
  return { unknown: probabilities.every((score) => score < threshold) };
}

function predictionsOf(
  probabilities: Float32Array,
  labels: readonly Label[],
  { topK: count, threshold = 0 }: ClassificationRequest,
): Prediction[] {
  return topK(probabilities, count, threshold).map((ranked) => predictionOf(ranked, labels));
}

function inHierarchy(
  predictions: readonly Prediction[],
  hierarchy: ClassHierarchy,
  scores: ConceptScores,
  { threshold = CONCEPT_THRESHOLD }: ClassificationRequest,
): { predictions: readonly Prediction[]; concept: BackedOffConcept | null } {
  return {
    predictions: predictions.map((each) => ({ ...each, path: hierarchy.path(each.synset, scores) })),
    concept: hierarchy.backOff(scores, threshold) ?? null,
  };
}

function onnxVariant(runtime: RuntimeName): AppError {
  return new AppError('invalid_request', `variant int8 is computed by the runtime onnx, not by ${runtime}`, {
    context: { field: 'variant' },
  });
}

function noHierarchy({ name }: ModelVersion): AppError {
  return new AppError(
    'no_hierarchy',
    `no class of "${name}" has a synset of WordNet that the zoo knows: ask without the hierarchy, or train the model ` +
      'with the synsets of its classes',
  );
}

/** A class with its label; models of unlabelled classes count them. */
export function predictionOf({ index, score }: RankedClass, labels: readonly Label[]): Prediction {
  return { label: `class ${index}`, ...labels[index], score, index };
}
