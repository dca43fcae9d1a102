import { AppError } from '../common/errors.ts';
import type { HeatLayer, Heatmap } from '../image/heat-overlay.ts';
import type { PreprocessedImage, Preprocessing } from '../image/preprocess.ts';
import type { Window } from '../image/resample.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { ConvertedModel } from '../serving/conversion.ts';
import type { ImageQueue, Prediction, UploadedImage } from './image-classification.ts';
import { topK } from './postprocess.ts';

/** What a client asks for. */
export interface ExplanationRequest {
  /** `name`, `name@version` or `name@alias`; the default model when absent. */
  readonly model?: string | undefined;
  /** The label, synset or index of a class; the most probable one when absent. */
  readonly class?: string | undefined;
  readonly image: UploadedImage;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** Where an image shows a class. */
export interface Explanation {
  readonly model: string;
  readonly version: number;
  readonly method: 'cam' | 'grad_cam';
  /** The class, and how probable the model finds it. */
  readonly prediction: Prediction;
  /** Of the upright original, in pixels. */
  readonly image: { readonly width: number; readonly height: number };
  /** The part of it that the model saw and the heatmap covers, in the same pixels. */
  readonly crop: Window;
  /** 1 where most speaks for the class; 0 where nothing does, or something speaks against it. */
  readonly heatmap: Heatmap;
  readonly timings: ImageTimings;
}

/** What the pipeline stands on; `services.ts` puts it together. */
export interface ExplainerParts {
  readonly resolve: (reference: string) => ModelVersion;
  readonly defaultModel: string;
  readonly converted: (model: ModelVersion) => Promise<Pick<ConvertedModel, 'explanation' | 'activationShape'>>;
  /** Lets `work` use the queue of a model on ONNX Runtime, which is loaded before and stays so until then. */
  readonly use: <T>(model: ModelVersion, work: (queue: ImageQueue) => Promise<T>) => Promise<T>;
  readonly preprocess: (bytes: Uint8Array, recipe: Preprocessing) => Promise<PreprocessedImage>;
  readonly crop: (size: { width: number; height: number }, recipe: Preprocessing) => Window;
  readonly draw: (photo: Uint8Array, layer: HeatLayer) => Promise<Uint8Array>;
  /** Takes images into the pipeline, or throws `queue_full`; what it returns lets them go. */
  readonly admit: (images: number) => () => void;
  /** Told of each image that was explained, for metrics. */
  readonly onImage: (model: ModelVersion, timings: ImageTimings) => void;
}

/** decode -> preprocess -> batcher -> engine, for a class instead of all; the engine traces it back to the image. */
export class ImageExplainer {
  readonly #parts: ExplainerParts;
  /** Looking a conversion up reads the disk; of a version it never changes. */
  readonly #converted = new WeakMap<ModelVersion, Awaited<ReturnType<ExplainerParts['converted']>>>();

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /**
   * Tells where an image shows a class.
   * @throws AppError `not_explainable`; `invalid_request` of a class that the model does not have; `queue_full`; those of
   * images that cannot be read and of models that are not there
   */
  explain(request: ExplanationRequest): Promise<Explanation> {
    return this.#admitted(request, () => this.#explain(request));
  }

  /**
   * Draws what `explain` tells over the photo, as a PNG: see `drawHeat`.
   * @param opacity of the hottest part, 0..1
   * @throws AppError as `explain`
   */
  draw(request: ExplanationRequest, opacity: number): Promise<Uint8Array> {
    return this.#admitted(request, async () => {
      const { heatmap, crop } = await this.#explain(request);
      return await this.#parts.draw(request.image.bytes, { heatmap, crop, opacity });
    });
  }

  async #admitted<T>({ image, signal }: ExplanationRequest, work: () => Promise<T>): Promise<T> {
    const leave = this.#parts.admit(1);
    try {
      const result = await work();
      signal.throwIfAborted();
      return result;
    } finally {
      image.release?.();
      leave();
    }
  }

  async #explain({ model: reference, class: wanted, image, signal }: ExplanationRequest): Promise<Explanation> {
    const model = this.#parts.resolve(reference ?? this.#parts.defaultModel);
    const { labels, preprocessing } = model.manifest;
    const explainedClass = wanted === undefined ? undefined : findClass(labels, wanted);
    const { explanation, activationShape } = await this.#conversionOf(model);
    if ('refused' in explanation) throw notExplainable(model, explanation.refused);
    const { preprocess, use } = this.#parts;
    const { size, decodeMs, answer } = await use(model, async (queue) => {
      const start = performance.now();
      const { pixels, width, height } = await preprocess(image.bytes, preprocessing);
      const decoded = performance.now() - start;
      const item = {
        priority: 'interactive',
        outputs: ['probabilities', 'explanation'],
        explainedClass,
        signal,
      } as const;
      return { size: { width, height }, decodeMs: decoded, answer: await queue.submit(pixels, item) };
    });
    const { outputs, queueMs, inferenceMs, batchSize } = answer;
    const { probabilities, explanation: evidence } = outputs;
    if (probabilities === undefined || evidence === undefined) throw new Error('the engine explained nothing');
    const timings = { decodeMs, queueMs, inferenceMs, batchSize };
    this.#parts.onImage(model, timings);
    const index = explainedClass ?? topK(probabilities, 1)[0]?.index ?? 0;
    const [rows, columns] = activationShape;
    return {
      model: model.name,
      version: model.version,
      method: explanation.method,
      prediction: { label: `class ${index}`, ...labels[index], score: probabilities[index] ?? 0, index },
      image: size,
      crop: this.#parts.crop(size, preprocessing),
      heatmap: { height: rows, width: columns, values: heatOf(evidence) },
      timings,
    };
  }

  async #conversionOf(model: ModelVersion) {
    const known = this.#converted.get(model);
    if (known !== undefined) return known;
    const converted = await this.#parts.converted(model);
    this.#converted.set(model, converted);
    return converted;
  }
}

/** What speaks for a class, as a share of where most does. */
function heatOf(evidence: Float32Array): Float32Array {
  const most = evidence.reduce((max, value) => Math.max(max, value), 0);
  return evidence.map((value) => (most > 0 ? Math.max(value, 0) / most : 0));
}

/** A label goes before an index: classes may be called 7 and 3. */
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
  return new AppError('not_explainable', `Model "${name}" answers, but cannot be explained: ${reason}.`);
}
