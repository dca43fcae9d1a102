import { readFile } from 'node:fs/promises';
import { AppError } from '../common/errors.ts';
import { areIntact } from '../common/file-digest.ts';
import type { JsonObject, JsonValue } from '../common/json.ts';
import { messageWithoutPath } from '../common/storage-error.ts';
import { REPORT_FILE, REPORT_PAGE, REPORT_PICTURES } from '../finetuning/report/files.ts';
import { summarizeReport } from '../finetuning/report/report.ts';
import { parseTrainingReport } from '../finetuning/report/report-schema.ts';
import { type QuantizedModels, variantUnavailable } from '../quantizing/quantized-models.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import type { ConceptGraph } from '../registry/concept-graph.ts';
import type { ManifestDocument } from '../registry/manifest.ts';
import {
  type ModelVersion,
  type RegisteredModel,
  type Registry,
  SERVING_ALIAS,
  servingTarget,
} from '../registry/registry.ts';
import { type ConversionCache, type ConvertedModel, requireFormat } from '../serving/conversion-cache.ts';
import type { ExportOptions } from './export/export-format.ts';
import { exportModel, type ModelExport } from './export/model-export.ts';
import type { TfjsQuantizer } from './export/tfjs-quantization.ts';
import { readWeightsComparison } from './export/weights-comparison.ts';
import { readFormatParity } from './format-parity.ts';

/** Dependencies of `ModelCatalogue`. */
export interface CatalogueParts {
  readonly registry: Registry;
  readonly store: Pick<ArtifactStore, 'getVersion' | 'localFile'>;
  readonly conversions: Pick<ConversionCache, 'peek' | 'verified'>;
  readonly quantizer: Pick<TfjsQuantizer, 'get'>;
  /** The concepts of the zoo. */
  readonly graph: Pick<ConceptGraph, 'find'>;
  readonly quantized: Pick<QuantizedModels, 'find'>;
  readonly defaultModel: string;
  /** Version of this project. */
  readonly version: string;
}

/** Formats of a report: for programs and for people. */
export type ReportFormat = 'json' | 'html';

const REPORT_FILES: Readonly<Record<ReportFormat, string>> = { json: REPORT_FILE, html: REPORT_PAGE };

/** Describes the models to clients, as `ModelList` and `ModelCard` of `openapi.yaml`. */
export class ModelCatalogue {
  readonly #parts: CatalogueParts;

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
  }

  /** All models by name; those whose bare name is unavailable, and those that are not pulled, apart from the others. */
  async list(): Promise<JsonObject> {
    const { registry } = this.#parts;
    const models: JsonObject[] = [];
    const unavailable: JsonObject[] = [];
    for (const model of registry.list()) {
      try {
        models.push(await this.#summary(model, registry.resolve(model.name)));
      } catch (thrown) {
        if (!(thrown instanceof AppError)) throw thrown;
        unavailable.push({ id: model.name, reason: thrown.message, ...versionsOf(model) });
      }
    }
    return { models, unavailable, not_pulled: registry.absent().map(({ file }) => factsOf(file)) };
  }

  /**
   * The card of the version that a bare name stands for; when that is unavailable, of the newest version that is not.
   * @throws AppError `model_not_found`; `model_unavailable` when there is no such version
   */
  async describeAny(name: string): Promise<JsonObject> {
    const { registry } = this.#parts;
    const newest = registry.get(name).versions.at(-1);
    try {
      return await this.describe(name);
    } catch (thrown) {
      const isUnavailable = thrown instanceof AppError && thrown.code === 'model_unavailable';
      if (!isUnavailable || newest === undefined) throw thrown;
      return this.describe(`${name}@${newest.version}`);
    }
  }

  /** The card of `name`, `name@version` or `name@alias`. @throws AppError as `Registry.resolve` */
  async describe(reference: string): Promise<JsonObject> {
    const { registry } = this.#parts;
    const version = registry.resolve(reference);
    const { file, labels, preprocessing } = version.manifest;
    const [height, width] = preprocessing.inputSize;
    return {
      ...(await this.#summary(registry.get(version.name), version)),
      architecture: file.architecture as JsonValue,
      input: { height, width, channels: 3, layout: 'NHWC', dtype: 'uint8', range: [0, 255], colour: 'RGB' },
      preprocessing: {
        resize_mode: file.resize_mode,
        pad_color: file.pad_color,
        crop_pct: file.crop_pct,
        interpolation: file.interpolation,
        icc: file.icc,
        mean: file.mean,
        std: file.std,
      },
      classes: labels.map(({ label, synset }, index) => ({ index, label, synset })),
      training: file.training,
      ...(file.novelty && { novelty: noveltyOf(file.novelty) }),
      unknown_threshold: file.unknown_threshold,
      provenance: file.provenance,
      ...(await this.#reportSummary(version)),
      license_notice: file.license_notice,
      needs: file.needs,
      weights: { sha256: file.weights.sha256, size_bytes: file.weights.size_bytes },
      ...(await this.#conversion(version)),
      quantization: (await this.#parts.quantized.find(version))?.record ?? null,
      rounded_weights: await this.#roundedWeights(version),
    };
  }

  /**
   * The training report of a fine-tuned version.
   * @throws AppError `report_not_found` for models of the zoo; `model_unavailable` when it is damaged; as
   * `Registry.resolve`
   */
  async report(reference: string, format: ReportFormat): Promise<string> {
    const version = this.#parts.registry.resolve(reference);
    const text = await this.#reportText(version, REPORT_FILES[format]);
    if (text !== undefined) return text;
    throw new AppError(
      'report_not_found',
      `model "${version.name}" was not trained here: only fine-tuned models have a report; see its card instead`,
    );
  }

  /**
   * Thumbnails of the images in a report: JSON with data URIs by name. Empty for versions from before thumbnails were
   * kept.
   * @throws AppError as `report`
   */
  async reportPictures(reference: string): Promise<string> {
    await this.report(reference, 'json');
    return (await this.#reportText(this.#parts.registry.resolve(reference), REPORT_PICTURES)) ?? '{}';
  }

  /**
   * Packs a version into a zip.
   * @throws AppError as `Registry.resolveClassifier`; `model_unavailable` when it cannot be converted;
   * `format_unavailable`
   */
  async export(reference: string, { format, quantize, variant }: ExportOptions): Promise<ModelExport> {
    const version = this.#parts.registry.resolveClassifier(reference);
    const converted = await this.#parts.conversions.verified(version);
    const card = await this.describe(`${version.name}@${version.version}`);
    const quantized =
      quantize === 'float32'
        ? undefined
        : await this.#parts.quantizer.get({ ...converted, tfjs: requireFormat(version, converted, 'tfjs') }, quantize);
    const source = {
      model: version,
      converted: variant === 'float32' ? converted : { ...converted, onnx: await this.#inBytes(version) },
      quantized,
      variant,
      producerVersion: this.#parts.version,
    };
    return exportModel(source, format, card);
  }

  /** @throws AppError `variant_unavailable` */
  async #inBytes(version: ModelVersion): Promise<ConvertedModel['onnx']> {
    const found = await this.#parts.quantized.find(version);
    if (found === undefined) throw variantUnavailable(version);
    const { path, record } = found;
    const files = [{ path, sha256: record.sha256 }];
    if (!(await areIntact(files))) throw variantUnavailable(version, 'its file is damaged');
    return { path, files, size: record.size_bytes, sha256: record.sha256 };
  }

  /** A damaged report is named instead: the model can be used without it. */
  async #reportSummary(version: ModelVersion): Promise<JsonObject> {
    try {
      const text = await this.#reportText(version, REPORT_FILE);
      if (text === undefined) return {};
      const report = parseTrainingReport(text);
      return { report: { verdict: report.verdict, next_steps: report.next_steps, ...summarizeReport(report) } };
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code !== 'model_unavailable') throw thrown;
      return { report_damaged: messageWithoutPath(thrown) };
    }
  }

  /** Undefined when the version has no such file, as no version of the zoo has. */
  async #reportText({ name, version }: ModelVersion, file: string): Promise<string | undefined> {
    const { registry, store } = this.#parts;
    if (registry.find(name)?.origin !== 'store') return undefined;
    const { files } = await store.getVersion(name, version);
    if (!files.some((each) => each.file === file)) return undefined;
    return readFile(await store.localFile(name, version, file), 'utf8');
  }

  async #summary(model: RegisteredModel, resolved: ModelVersion): Promise<JsonObject> {
    const { name, version, manifest } = resolved;
    const { file } = manifest;
    const { graph } = this.#parts;
    const inBytes = await this.#parts.quantized.find(resolved);
    return {
      ...factsOf(file),
      id: name,
      version,
      ...versionsOf(model),
      default: name === this.#parts.registry.fullName(this.#parts.defaultModel),
      hierarchy: manifest.labels.some(({ synset }) => synset !== undefined && graph.find(synset) !== undefined),
      variants: inBytes === undefined ? ['float32'] : ['float32', 'int8'],
    };
  }

  /** How TF.js weights of fewer bits compare with floats, as far as `menagerie evaluate --variant` was asked. */
  async #roundedWeights(version: ModelVersion): Promise<JsonObject> {
    const converted = await this.#parts.conversions.peek(version);
    if (converted === undefined) return {};
    const [float16, uint8] = await Promise.all([
      readWeightsComparison(converted, 'float16'),
      readWeightsComparison(converted, 'uint8'),
    ]);
    return { ...(float16 && { float16 }), ...(uint8 && { uint8 }) };
  }

  /** The converted files and their parity, as far as they exist: describing a model does not convert it. */
  async #conversion(version: ModelVersion): Promise<JsonObject> {
    const converted = await this.#parts.conversions.peek(version);
    if (converted === undefined) return { formats: {}, parity: { state: 'pending' } };
    const { onnx, tfjs } = converted;
    const onnxFile = { sha256: onnx.sha256, size_bytes: onnx.size };
    if (tfjs === undefined) {
      const reason = 'the model was imported as ONNX and is not available in another format';
      return { formats: { onnx: onnxFile }, parity: { state: 'none', reason } };
    }
    const report = await readFormatParity(converted);
    return {
      formats: { onnx: onnxFile, tfjs: { sha256: tfjs.sha256, size_bytes: tfjs.size } },
      parity: report === undefined ? { state: 'pending' } : { state: 'measured', ...report },
    };
  }
}

/** What a manifest says, as `ModelFacts` of `openapi.yaml`. */
function factsOf(file: ManifestDocument): JsonObject {
  return {
    id: file.name,
    title: file.title,
    recommended: file.recommended ?? false,
    num_classes: file.num_classes,
    num_features: file.num_features,
    parameters: file.parameters,
    input_size: file.input_size,
    license: file.license,
    size_bytes: file.weights.size_bytes,
    accuracy: file.accuracy,
  };
}

/** The detector in a card: its figures, without its file. */
function noveltyOf({ file: _, sha256: __, ...figures }: NonNullable<ManifestDocument['novelty']>): JsonObject {
  return figures;
}

/** The versions and aliases of a model. Without an alias for it, `production` is the version of the bare name. */
function versionsOf(model: RegisteredModel): JsonObject {
  const { name, versions, aliases, damaged } = model;
  const target = servingTarget(model);
  const reasons = Object.entries(damaged).map(([key, reason]) => ({ reference: `${name}@${key}`, reason }));
  return {
    versions: versions.map(({ version }) => version),
    aliases: target === SERVING_ALIAS ? aliases : { [SERVING_ALIAS]: Number(target), ...aliases },
    ...(reasons.length > 0 && { damaged: reasons }),
  };
}
