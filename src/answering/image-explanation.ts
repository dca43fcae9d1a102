import { AppError } from '../common/errors.ts';
import { modelCrop } from '../image/crop.ts';
import type { DecodeTurn } from '../image/decode.ts';
import type { HeatLayer, Heatmap } from '../image/heat-overlay.ts';
import type { ImageWarning } from '../image/read-image.ts';
import type { Window } from '../image/resample.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { ConvertedModel } from '../serving/conversion-cache.ts';
import { type Prediction, predictionOf } from './image-classification.ts';
import { type ImagePipeline, outputOf, type PipelineSteps, type UploadedImage } from './image-pipeline.ts';
import { topK } from './postprocess.ts';

/** A request to explain a prediction. */
export interface ExplanationRequest {
  /** `name`, `name@version` or `name@alias`; the default model when absent. */
  readonly model?: string | undefined;
  /** The label, synset or index of a class; the most probable one when absent. */
  readonly class?: string | undefined;
  readonly image: UploadedImage;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** The evidence for a class in an image. */
export interface Explanation {
  readonly model: string;
  readonly version: number;
  readonly method: 'cam' | 'grad_cam';
  /** The class, and how probable the model finds it. */
  readonly prediction: Prediction;
  /** Size of the upright original in pixels. */
  readonly image: { readonly width: number; readonly height: number };
  /** The part of the original that the model saw and the heatmap covers, in pixels; beyond it, what was padded. */
  readonly crop: Window;
  /** 1 in the cell with the most evidence for the class; 0 in cells with none, or with evidence against it. */
  readonly heatmap: Heatmap;
  /** Findings about the file; mostly none. */
  readonly warnings: readonly ImageWarning[];
  readonly timings: ImageTimings;
}

/** Dependencies of `ImageExplainer`. */
export interface ExplainerParts {
  readonly registry: Pick<Registry, 'resolveClassifier'>;
  readonly defaultModel: string;
  readonly conversions: { get(model: ModelVersion): Promise<Pick<ConvertedModel, 'explanation' | 'activationShape'>> };
  readonly pipeline: Pick<ImagePipeline, 'run'>;
  /** Draws a heatmap over a photo, as a PNG. */
  readonly draw: (photo: Uint8Array, layer: HeatLayer, turn: DecodeTurn) => Promise<Uint8Array>;
}

interface ExplainedModel {
  readonly model: ModelVersion;
  /** The most probable class when absent. */
  readonly classIndex: number | undefined;
  readonly converted: Pick<ConvertedModel, 'explanation' | 'activationShape'>;
}

/** Computes where an image shows a class. The engine traces the class back to the cells of the last convolution. */
export class ImageExplainer {
  readonly #parts: ExplainerParts;
  /** The conversion of a version never changes, and looking it up reads the disk. */
  readonly #converted = new WeakMap<ModelVersion, Awaited<ReturnType<ExplainerParts['conversions']['get']>>>();

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /**
   * Computes where an image shows a class.
   * @throws AppError `not_explainable`; `invalid_request` when the model has no such class; `queue_full`; as
   * classification for images that cannot be read and models that cannot be used
   */
  explain(request: ExplanationRequest): Promise<Explanation> {
    return this.#run(request, (explanation) => explanation);
  }

  /**
   * Draws the explanation over the photo, as a PNG: see `drawHeat`.
   * @param opacity of the hottest cell, 0..1
   * @throws AppError as `explain`
   */
  draw(request: ExplanationRequest, opacity: number): Promise<Uint8Array> {
    return this.#run(request, ({ heatmap, crop }, { turn }) =>
      this.#parts.draw(request.image.bytes, { heatmap, crop, opacity }, turn),
    );
  }

  async #run<T>(
    request: ExplanationRequest,
    finish: (explanation: Explanation, steps: PipelineSteps) => T | Promise<T>,
  ): Promise<T> {
    const { image, signal, class: wanted } = request;
    try {
      const { registry, defaultModel, pipeline } = this.#parts;
      const model = registry.resolveClassifier(request.model ?? defaultModel);
      const classIndex = wanted === undefined ? undefined : findClass(model.manifest.labels, wanted);
      const images = [image];
      const [result] = await pipeline.run({ model, runtime: 'onnx', images, signal }, async ({ bytes }, steps) => {
        const converted = await this.#conversionOf(model);
        return { finished: await finish(await explain(bytes, { model, classIndex, converted }, steps), steps) };
      });
      if (result === undefined) throw new Error('the pipeline left the image out');
      return result.finished;
    } finally {
      image.release?.();
    }
  }

  async #conversionOf(model: ModelVersion) {
    const known = this.#converted.get(model);
    if (known !== undefined) return known;
    const converted = await this.#parts.conversions.get(model);
    this.#converted.set(model, converted);
    return converted;
  }
}

async function explain(
  bytes: Uint8Array,
  { model, classIndex, converted }: ExplainedModel,
  steps: PipelineSteps,
): Promise<Explanation> {
  const { explanation, activationShape } = converted;
  if ('refused' in explanation) throw notExplainable(model, explanation.refused);
  const { labels, preprocessing } = model.manifest;
  const { pixels, width, height, decodeMs, warnings } = await steps.preprocess(bytes);
  const computed = await steps.compute(pixels, decodeMs, {
    outputs: ['probabilities', 'explanation'],
    explainedClass: classIndex,
  });
  const probabilities = outputOf(computed, 'probabilities');
  const index = classIndex ?? topK(probabilities, 1)[0]?.index ?? 0;
  const [rows, columns] = activationShape;
  return {
    model: model.name,
    version: model.version,
    method: explanation.method,
    prediction: predictionOf({ index, score: probabilities[index] ?? 0 }, labels),
    image: { width, height },
    crop: modelCrop({ width, height }, preprocessing),
    heatmap: { height: rows, width: columns, values: heatOf(outputOf(computed, 'explanation')) },
    warnings,
    timings: computed.timings,
  };
}

/** Evidence as a share of the largest, 0..1; negative evidence becomes 0. */
function heatOf(evidence: Float32Array): Float32Array {
  const most = evidence.reduce((max, value) => Math.max(max, value), 0);
  return evidence.map((value) => (most > 0 ? Math.max(value, 0) / most : 0));
}

/** The index of the class with this label, synset or index. Labels go first, since classes may be called 7 and 3. */
function findClass(labels: readonly Label[], wanted: string): number {
  const named = [...labels.keys()].filter(
    (index) => labels[index]?.label === wanted || labels[index]?.synset === wanted,
  );
  const [only, ...others] = named;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined)
    throw wrongClass(`"${wanted}" is the label of several classes: give an index, ${named.join(' or ')}`);
  if (/^\d{1,9}$/.test(wanted) && Number(wanted) < labels.length) return Number(wanted);
  throw wrongClass(
    `must be a label or a synset of the model, or an index from 0 to ${labels.length - 1}, not "${wanted}"`,
  );
}

function wrongClass(message: string): AppError {
  return new AppError('invalid_request', `class ${message}.`, { context: { errors: [{ field: 'class', message }] } });
}

function notExplainable({ name }: ModelVersion, reason: string): AppError {
  return new AppError('not_explainable', `Model "${name}" classifies, but cannot be explained: ${reason}.`);
}
