import { AppError } from '../common/errors.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';
import type { Label } from '../registry/manifest.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import { OUTPUT_NAMES, type OutputName, type Outputs, type RuntimeName } from '../runtime/session.ts';
import type { ConversionCache } from '../serving/conversion-cache.ts';
import { type ComputedImage, type ImagePipeline, outputOf, type PipelineSteps } from './image-pipeline.ts';

/** The outputs of a classifier's head; a backbone alone does not have them. */
const CLASS_OUTPUTS: readonly OutputName[] = ['probabilities', 'logits'];

/** A request for outputs of a model. */
export interface InferenceRequest {
  /** `name`, `name@version` or `name@alias`. */
  readonly model: string;
  readonly runtime: RuntimeName;
  /** Pixels of the model's input size, or the bytes of image files. */
  readonly input: { readonly pixels: PixelTensor } | { readonly images: readonly Uint8Array[] };
  readonly outputs: readonly OutputName[];
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** Images of a request. */
export function imageCount(input: InferenceRequest['input']): number {
  return 'images' in input ? input.images.length : (input.pixels.shape[0] ?? 0);
}

/** The outputs of all images, each tensor in the order of the input. */
export interface Inference {
  readonly model: string;
  readonly version: number;
  readonly labels: readonly Label[];
  readonly outputs: Outputs;
}

/** The tensors of a model. -1 is a size that is not fixed, or not known until the model is converted. */
export interface TensorSpecification {
  readonly model: string;
  /** The version that is described. */
  readonly version: number;
  readonly versions: readonly number[];
  readonly weightsSha256: string;
  readonly input: readonly number[];
  /** Without `probabilities` and `logits` for a backbone alone. */
  readonly outputs: Readonly<Partial<Record<OutputName, readonly number[]>>>;
}

/** Dependencies of `TensorInference`. */
export interface InferenceParts {
  readonly registry: Pick<Registry, 'resolve' | 'get' | 'list'>;
  readonly conversions: Pick<ConversionCache, 'peek'>;
  readonly pipeline: Pick<ImagePipeline, 'run'>;
}

/** Computes tensors of images, through the same queues and engines as classification. */
export class TensorInference {
  readonly #parts: InferenceParts;

  constructor(parts: InferenceParts) {
    this.#parts = parts;
  }

  /** Names of all models whose weights are here. */
  names(): string[] {
    return this.#parts.registry.list().map(({ name }) => name);
  }

  /** @throws AppError `model_not_found` */
  async describe(reference: string): Promise<TensorSpecification> {
    const model = this.#parts.registry.resolve(reference);
    const [height, width] = model.manifest.preprocessing.inputSize;
    const shapes = await this.#outputShapes(model);
    return {
      model: model.name,
      version: model.version,
      versions: this.#parts.registry.get(model.name).versions.map(({ version }) => version),
      weightsSha256: model.manifest.file.weights.sha256,
      input: [-1, height, width, 3],
      outputs: Object.fromEntries(offeredOutputs(model).map((name) => [name, [-1, ...shapes[name]]])),
    };
  }

  /**
   * Computes the outputs of all images, or fails as a whole.
   * @throws AppError `invalid_request` when the pixels do not have the model's input size, or the model has no detector
   * and `novelty` is asked for; `no_classifier` when
   * `probabilities` or `logits` of a backbone alone are asked for; as classification otherwise
   */
  async infer(request: InferenceRequest): Promise<Inference> {
    const { runtime, input, outputs, signal } = request;
    const { registry, pipeline } = this.#parts;
    const model = registry.resolve(request.model);
    const offered = offeredOutputs(model);
    const missing = outputs.find((name) => !offered.includes(name));
    if (missing === 'novelty') throw noDetector(model);
    if (missing !== undefined) throw noClasses(model, offered, missing);
    const computed =
      'pixels' in input
        ? await pipeline.run({ model, runtime, images: rowsOf(input.pixels, model), signal }, (pixels, steps) =>
            steps.compute(pixels, 0, { outputs }),
          )
        : await pipeline.run({ model, runtime, images: [...input.images.entries()], signal }, async (image, steps) => {
            const { pixels, decodeMs } = await preprocess(image, input.images.length, steps);
            return steps.compute(pixels, decodeMs, { outputs });
          });
    const shapes = await this.#outputShapes(model);
    return {
      model: model.name,
      version: model.version,
      labels: model.manifest.labels,
      outputs: Object.fromEntries(outputs.map((name) => [name, stack(computed, name, shapes[name])])),
    };
  }

  /** Shapes of the outputs of one image. */
  async #outputShapes(model: ModelVersion): Promise<Readonly<Record<OutputName, readonly number[]>>> {
    const { num_classes, num_features } = model.manifest.file;
    const converted = await this.#parts.conversions.peek(model);
    return {
      probabilities: [num_classes],
      logits: [num_classes],
      features: [num_features],
      activations: converted?.activationShape ?? [-1, -1, -1],
      novelty: [1],
    };
  }
}

/** The outputs that a model has: without labels, `probabilities` and `logits` mean nothing. */
function offeredOutputs({ manifest }: ModelVersion): readonly OutputName[] {
  const names = manifest.file.novelty === undefined ? OUTPUT_NAMES.filter((name) => name !== 'novelty') : OUTPUT_NAMES;
  return manifest.labels.length > 0 ? names : names.filter((name) => !CLASS_OUTPUTS.includes(name));
}

function noDetector({ name }: ModelVersion): AppError {
  return new AppError(
    'invalid_request',
    `"${name}" has no output novelty: models that were fine-tuned here have it, and others after ` +
      `"npx menagerie evaluate ${name} <images> --novelty"`,
  );
}

function noClasses({ name }: ModelVersion, offered: readonly OutputName[], missing: OutputName): AppError {
  return new AppError(
    'no_classifier',
    `"${name}" is a backbone without a classifier and has no ${missing}: ask for ${offered.join(' and ')}, ` +
      `or get the classifier with "npx menagerie pull ${name}"`,
  );
}

/** Decodes a file of a request; of several, errors say which one it was. */
async function preprocess(
  [index, bytes]: readonly [index: number, bytes: Uint8Array],
  images: number,
  steps: PipelineSteps,
): ReturnType<PipelineSteps['preprocess']> {
  try {
    return await steps.preprocess(bytes);
  } catch (thrown) {
    if (!(thrown instanceof AppError) || images === 1) throw thrown;
    throw new AppError(thrown.code, `image ${index}: ${thrown.message}`, { context: thrown.context });
  }
}

/** The images of a tensor, as views of its memory. */
function rowsOf({ data, shape }: PixelTensor, { manifest }: ModelVersion): Uint8Array[] {
  const image = [...manifest.preprocessing.inputSize, 3];
  const [images = 0, ...given] = shape;
  if (given.join() !== image.join() || images < 1) {
    throw new AppError(
      'invalid_request',
      `The pixels have shape [${shape.join(', ')}]; the model takes [n, ${image.join(', ')}], n at least 1.`,
    );
  }
  const length = elementCount(image);
  return Array.from({ length: images }, (_, row) => data.subarray(row * length, (row + 1) * length));
}

/** One tensor of the same output of all images. */
function stack(images: readonly ComputedImage[], name: OutputName, shape: readonly number[]): Tensor {
  const rows = images.map((image) => outputOf(image, name));
  const length = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * length);
  for (const [index, row] of rows.entries()) data.set(row, index * length);
  return { data, shape: [rows.length, ...shape] };
}
