import { AppError } from '../common/errors.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';
import type { PreprocessedImage, Preprocessing } from '../image/preprocess.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { OUTPUT_NAMES, type OutputName, type Outputs, type RuntimeName } from '../runtime/session.ts';
import type { Admission } from '../serving/admission.ts';
import type { ConvertedModel } from '../serving/conversion.ts';
import type { OutputRows } from '../serving/rows.ts';
import type { ImageQueue } from './image-classification.ts';

/** What a head makes of the features. */
const CLASS_OUTPUTS: readonly OutputName[] = ['probabilities', 'logits'];

/** What a client wants computed. */
export interface InferenceRequest {
  /** `name`, `name@version` or `name@alias`. */
  readonly model: string;
  readonly runtime: RuntimeName;
  /** Pixels in the model's own size, or the bytes of files such as JPEG. */
  readonly input: { readonly pixels: PixelTensor } | { readonly images: readonly Uint8Array[] };
  readonly outputs: readonly OutputName[];
  /** Aborted when the client is gone: images that still wait are dropped. */
  readonly signal: AbortSignal;
}

/** The outputs, each with the images in the order of the input. */
export interface Inference {
  readonly model: string;
  readonly version: number;
  readonly labels: readonly Label[];
  readonly outputs: Outputs;
}

/** The tensors of a model; -1 stands for a size that is not fixed, or not known before the model is converted. */
export interface TensorSpecification {
  readonly model: string;
  readonly versions: readonly number[];
  readonly input: readonly number[];
  /** A backbone alone has neither `probabilities` nor `logits`. */
  readonly outputs: Readonly<Partial<Record<OutputName, readonly number[]>>>;
}

/** What inference stands on; `services.ts` puts it together. */
export interface InferenceParts {
  readonly resolve: (reference: string) => ModelVersion;
  readonly versionsOf: (name: string) => readonly number[];
  readonly conversions: { peek(model: ModelVersion): Promise<ConvertedModel | undefined> };
  /** Lets `work` use the queue of a model, which is loaded before and stays so until then. */
  readonly use: <T>(model: ModelVersion, runtime: RuntimeName, work: (queue: ImageQueue) => Promise<T>) => Promise<T>;
  readonly preprocess: (bytes: Uint8Array, recipe: Preprocessing) => Promise<PreprocessedImage>;
  readonly admission: Admission;
  /** Told of each image that was computed, for metrics. */
  readonly onImage: (model: ModelVersion, runtime: RuntimeName, timings: ImageTimings) => void;
}

/** Tensors in, tensors out, through the queues and engines that classify. */
export class TensorInference {
  readonly #parts: InferenceParts;

  constructor(parts: InferenceParts) {
    this.#parts = parts;
  }

  /** @throws AppError `model_not_found` */
  async describe(reference: string): Promise<TensorSpecification> {
    const model = this.#parts.resolve(reference);
    const [height, width] = model.manifest.preprocessing.inputSize;
    const shapes = await this.#outputShapes(model);
    return {
      model: model.name,
      versions: this.#parts.versionsOf(model.name),
      input: [-1, height, width, 3],
      outputs: Object.fromEntries(offeredOutputs(model).map((name) => [name, [-1, ...shapes[name]]])),
    };
  }

  /**
   * Computes the outputs of all images, or fails as a whole.
   * @throws AppError `invalid_request` when the pixels are not of the model's size; `no_classifier` when a backbone alone
   * is asked for classes; as an image is decoded and classified
   */
  async infer(request: InferenceRequest): Promise<Inference> {
    const { runtime, input, outputs, signal } = request;
    const { resolve, admission, use } = this.#parts;
    const model = resolve(request.model);
    const offered = offeredOutputs(model);
    const missing = outputs.find((name) => !offered.includes(name));
    if (missing !== undefined) throw noClasses(model, offered, missing);
    const decoders = 'pixels' in input ? rowsOf(input.pixels, model) : this.#decoders(input.images, model);
    const leave = admission.admit(decoders.length);
    try {
      const rows = await use(model, runtime, (queue) =>
        Promise.all(decoders.map((decode) => this.#compute(decode, decoders.length, { model, queue, request }))),
      );
      signal.throwIfAborted();
      const shapes = await this.#outputShapes(model);
      return {
        model: model.name,
        version: model.version,
        labels: model.manifest.labels,
        outputs: Object.fromEntries(outputs.map((name) => [name, stack(rows, name, shapes[name])])),
      };
    } finally {
      leave();
    }
  }

  async #compute(
    decode: () => Promise<Uint8Array>,
    images: number,
    { model, queue, request }: { model: ModelVersion; queue: ImageQueue; request: InferenceRequest },
  ): Promise<OutputRows> {
    const { outputs: names, signal, runtime } = request;
    const start = performance.now();
    const pixels = await decode();
    const decodeMs = performance.now() - start;
    const priority = images === 1 ? 'interactive' : 'bulk';
    const { outputs, queueMs, inferenceMs, batchSize } = await queue.submit(pixels, {
      priority,
      signal,
      outputs: names,
    });
    this.#parts.onImage(model, runtime, { decodeMs, queueMs, inferenceMs, batchSize });
    return outputs;
  }

  #decoders(images: readonly Uint8Array[], { manifest }: ModelVersion): (() => Promise<Uint8Array>)[] {
    return images.map((bytes, index) => async () => {
      try {
        return (await this.#parts.preprocess(bytes, manifest.preprocessing)).pixels;
      } catch (thrown) {
        if (!(thrown instanceof AppError) || images.length === 1) throw thrown;
        throw new AppError(thrown.code, `image ${index}: ${thrown.message}`, { context: thrown.context });
      }
    });
  }

  /** Of one image. */
  async #outputShapes(model: ModelVersion): Promise<Readonly<Record<OutputName, readonly number[]>>> {
    const { num_classes, num_features } = model.manifest.file;
    const converted = await this.#parts.conversions.peek(model);
    return {
      probabilities: [num_classes],
      logits: [num_classes],
      features: [num_features],
      activations: converted?.activationShape ?? [-1, -1, -1],
    };
  }
}

/** Where no class is named, what the network ends in stands for nothing. */
function offeredOutputs({ manifest }: ModelVersion): readonly OutputName[] {
  return manifest.labels.length > 0 ? OUTPUT_NAMES : OUTPUT_NAMES.filter((name) => !CLASS_OUTPUTS.includes(name));
}

function noClasses({ name }: ModelVersion, offered: readonly OutputName[], missing: OutputName): AppError {
  return new AppError(
    'no_classifier',
    `of "${name}" only the backbone is here, which gives no ${missing}: ask for the outputs ${offered.join(' and ')}, ` +
      `or get the rest by "npm run zoo -- pull ${name}"`,
  );
}

function rowsOf({ data, shape }: PixelTensor, { manifest }: ModelVersion): (() => Promise<Uint8Array>)[] {
  const image = [...manifest.preprocessing.inputSize, 3];
  const [images = 0, ...given] = shape;
  if (given.join() !== image.join() || images < 1) {
    throw new AppError(
      'invalid_request',
      `The pixels have shape [${shape.join(', ')}]; the model takes [n, ${image.join(', ')}], n at least 1.`,
    );
  }
  const length = elementCount(image);
  return Array.from({ length: images }, (_, row) => async () => data.subarray(row * length, (row + 1) * length));
}

function stack(rows: readonly OutputRows[], name: OutputName, shape: readonly number[]): Tensor {
  const length = rows[0]?.[name]?.length ?? 0;
  const data = new Float32Array(rows.length * length);
  for (const [index, row] of rows.entries()) {
    const values = row[name];
    if (values === undefined) throw new Error(`the engine gave no ${name}`);
    data.set(values, index * length);
  }
  return { data, shape: [rows.length, ...shape] };
}
