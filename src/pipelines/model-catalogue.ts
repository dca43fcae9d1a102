import type { JsonObject, JsonValue } from '../json.ts';
import type { Registry } from '../registry/registry.ts';
import { type ModelVersion, type RegisteredModel, SERVING_ALIAS } from '../registry/registry.ts';
import type { ConversionCache } from './conversion.ts';

/** What clients are told of the models: `ModelSummary` and `ModelCard` of `openapi.yaml`. */
export class ModelCatalogue {
  readonly #registry: Registry;
  readonly #conversions: ConversionCache;
  readonly #defaultModel: string;

  constructor(registry: Registry, conversions: ConversionCache, defaultModel: string) {
    this.#registry = registry;
    this.#conversions = conversions;
    this.#defaultModel = defaultModel;
  }

  list(): JsonObject[] {
    return this.#registry.list().map((model) => this.#summary(model, this.#registry.resolve(model.name)));
  }

  /** The card of `name`, `name@version` or `name@alias`. @throws AppError `model_not_found` */
  async describe(reference: string): Promise<JsonObject> {
    const version = this.#registry.resolve(reference);
    const { file, labels, preprocessing } = version.manifest;
    const [height, width] = preprocessing.inputSize;
    return {
      ...this.#summary(this.#registry.get(version.name), version),
      architecture: file.architecture as JsonValue,
      input: { height, width, channels: 3, layout: 'NHWC', dtype: 'uint8', range: [0, 255], colour: 'RGB' },
      preprocessing: {
        crop_pct: file.crop_pct,
        interpolation: file.interpolation,
        mean: file.mean,
        std: file.std,
      },
      classes: labels.map(({ label, synset }, index) => ({ index, label, synset })),
      accuracy: file.accuracy,
      training: file.training,
      weights: { sha256: file.weights.sha256, size_bytes: file.weights.size_bytes },
      formats: await this.#formats(version),
    };
  }

  #summary({ name, versions, aliases }: RegisteredModel, { version, manifest }: ModelVersion): JsonObject {
    const { file } = manifest;
    return {
      id: name,
      title: file.title,
      version,
      versions: versions.map((known) => known.version),
      aliases: { [SERVING_ALIAS]: this.#registry.resolve(name).version, ...aliases },
      default: name === this.#defaultModel,
      num_classes: file.num_classes,
      num_features: file.num_features,
      parameters: file.parameters,
      input_size: file.input_size,
      license: file.license,
    };
  }

  /** The converted files as far as they are there already: a card converts nothing. */
  async #formats(version: ModelVersion): Promise<JsonObject> {
    const converted = await this.#conversions.peek(version);
    if (converted === undefined) return {};
    const { onnx, tfjs } = converted;
    return {
      onnx: { sha256: onnx.sha256, size_bytes: onnx.size },
      tfjs: { sha256: tfjs.sha256, size_bytes: tfjs.size },
    };
  }
}
