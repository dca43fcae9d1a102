import { readFile } from 'node:fs/promises';
import { AppError } from '../common/errors.ts';
import type { JsonObject, JsonValue } from '../common/json.ts';
import { REPORT_FILE, REPORT_PAGE, REPORT_PICTURES } from '../finetuning/fine-tuned-version.ts';
import { summarizeReport } from '../finetuning/report/report.ts';
import { parseTrainingReport } from '../finetuning/report/report-schema.ts';
import { type ArtifactStore, isStoredName, type StoredVersion } from '../registry/artifact-store.ts';
import { type ModelVersion, type RegisteredModel, type Registry, SERVING_ALIAS } from '../registry/registry.ts';
import { type ConversionCache, requireFormat } from '../serving/conversion.ts';
import type { ExportOptions } from './export/export-format.ts';
import { exportModel, type ModelExport } from './export/model-export.ts';
import type { TfjsQuantizer } from './export/tfjs-quantization.ts';
import { readFormatParity } from './format-parity.ts';

/** What the catalogue stands on; `server.ts` puts it together. */
export interface CatalogueParts {
  readonly registry: Registry;
  readonly store: ArtifactStore;
  readonly conversions: ConversionCache;
  readonly quantizer: Pick<TfjsQuantizer, 'get'>;
  readonly defaultModel: string;
}

/** How a report can be read: by programs or by people. */
export type ReportFormat = 'json' | 'html';

const REPORT_FILES: Readonly<Record<ReportFormat, string>> = { json: REPORT_FILE, html: REPORT_PAGE };

/** What clients are told of the models: `ModelSummary` and `ModelCard` of `openapi.yaml`. */
export class ModelCatalogue {
  readonly #parts: CatalogueParts;

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
  }

  list(): JsonObject[] {
    const { registry } = this.#parts;
    return registry.list().map((model) => this.#summary(model, registry.resolve(model.name)));
  }

  /** The card of `name`, `name@version` or `name@alias`. @throws AppError `model_not_found` */
  async describe(reference: string): Promise<JsonObject> {
    const { registry } = this.#parts;
    const version = registry.resolve(reference);
    const { file, labels, preprocessing } = version.manifest;
    const [height, width] = preprocessing.inputSize;
    return {
      ...this.#summary(registry.get(version.name), version),
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
      unknown_threshold: file.unknown_threshold,
      provenance: file.provenance,
      report: await this.#reportSummary(version),
      license_notice: file.license_notice,
      needs: file.needs,
      weights: { sha256: file.weights.sha256, size_bytes: file.weights.size_bytes },
      ...(await this.#conversion(version)),
    };
  }

  /**
   * The text of a fine-tuned version's report.
   * @throws AppError `model_not_found`; `report_not_found` of the models of the zoo; `model_unavailable`
   */
  async report(reference: string, format: ReportFormat): Promise<string> {
    const version = this.#parts.registry.resolve(reference);
    const text = await this.#reportText(version, REPORT_FILES[format]);
    if (text !== undefined) return text;
    throw new AppError(
      'report_not_found',
      `model "${version.name}" was not trained here: only fine-tuned models have a report; the card has what is known`,
    );
  }

  /**
   * Small pictures of the images that a report names: JSON, data URIs by name. None of versions that were trained before
   * pictures were kept.
   * @throws AppError as `report` does
   */
  async reportPictures(reference: string): Promise<string> {
    await this.report(reference, 'json');
    return (await this.#reportText(this.#parts.registry.resolve(reference), REPORT_PICTURES)) ?? '{}';
  }

  /** Packs a model to be taken away. @throws AppError `model_not_found`, `model_unavailable`, `no_classifier` */
  async export(reference: string, { format, quantize }: ExportOptions): Promise<ModelExport> {
    const version = this.#parts.registry.resolveClassifier(reference);
    const converted = await this.#parts.conversions.verified(version);
    const card = await this.describe(`${version.name}@${version.version}`);
    const quantized =
      quantize === 'float32'
        ? undefined
        : await this.#parts.quantizer.get({ ...converted, tfjs: requireFormat(version, converted, 'tfjs') }, quantize);
    return exportModel(version, converted, card, { format, quantized });
  }

  async #reportSummary(version: ModelVersion): Promise<JsonObject | undefined> {
    const text = await this.#reportText(version, REPORT_FILE);
    if (text === undefined) return undefined;
    const report = parseTrainingReport(text);
    return { verdict: report.verdict, next_steps: report.next_steps, ...summarizeReport(report) };
  }

  /** Undefined where the version has no such file. */
  async #reportText({ name, version }: ModelVersion, file: string): Promise<string | undefined> {
    const { store } = this.#parts;
    const stored = await this.#storedVersion(name, version);
    if (!stored?.files.some((each) => each.file === file)) return undefined;
    return readFile(await store.localFile(name, version, file), 'utf8');
  }

  /** Undefined of a model of the zoo: an imported one may be called as a fine-tuned one could be. */
  async #storedVersion(name: string, version: number): Promise<StoredVersion | undefined> {
    if (!isStoredName(name)) return undefined;
    try {
      return await this.#parts.store.getVersion(name, version);
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'model_not_found') return undefined;
      throw thrown;
    }
  }

  #summary({ name, versions, aliases }: RegisteredModel, { version, manifest }: ModelVersion): JsonObject {
    const { file } = manifest;
    return {
      id: name,
      title: file.title,
      version,
      versions: versions.map((known) => known.version),
      aliases: { [SERVING_ALIAS]: this.#parts.registry.resolve(name).version, ...aliases },
      default: name === this.#parts.defaultModel,
      num_classes: file.num_classes,
      num_features: file.num_features,
      parameters: file.parameters,
      input_size: file.input_size,
      license: file.license,
    };
  }

  /** The converted files and how far they are apart, as far as that is known already: a card converts nothing. */
  async #conversion(version: ModelVersion): Promise<JsonObject> {
    const converted = await this.#parts.conversions.peek(version);
    if (converted === undefined) return { formats: {}, parity: { state: 'pending' } };
    const { onnx, tfjs } = converted;
    const onnxFile = { sha256: onnx.sha256, size_bytes: onnx.size };
    if (tfjs === undefined) {
      const reason = 'the model was made elsewhere, as an ONNX file, and comes in no other format';
      return { formats: { onnx: onnxFile }, parity: { state: 'none', reason } };
    }
    const report = await readFormatParity(converted);
    return {
      formats: { onnx: onnxFile, tfjs: { sha256: tfjs.sha256, size_bytes: tfjs.size } },
      parity: report === undefined ? { state: 'pending' } : { state: 'measured', ...report },
    };
  }
}
