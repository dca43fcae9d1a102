import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { removePulled } from '../acquire/pull/removal.ts';
import type { ClassificationRequest, ImageResult } from '../answering/image-classification.ts';
import { forEachConcurrently, sharedSignal } from '../common/concurrency.ts';
import { AppError } from '../common/errors.ts';
import { createLogger, type Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import { CALIBRATION_METHODS } from '../convert/quantize/ranges.ts';
import { measureAccuracy } from '../evaluation/accuracy.ts';
import { compareVariant, ROUNDED_VARIANTS } from '../evaluation/variant-comparison.ts';
import { fitZooDetector } from '../evaluation/zoo-novelty.ts';
import type { PreflightReport } from '../finetuning/dataset/preflight-report.ts';
import { parseDistillationOptions } from '../finetuning/distillation/distillation-options.ts';
import { parseFinetuneOptions } from '../finetuning/finetune-options.ts';
import type { TrainingProgress } from '../finetuning/training-progress.ts';
import { VIEWS } from '../image/views.ts';
import { DEFAULT_METHOD } from '../quantizing/model-quantizer.ts';
import type { NoveltyFigures } from '../registry/model-properties.ts';
import { type ModelVersion, VARIANTS } from '../registry/registry.ts';
import { createServices, type Services } from '../services.ts';
import {
  answerOf,
  type ClassifyOptions,
  type DrawOptions,
  type ExplainOptions,
  type Explanation,
  explanationOf,
  type ImageAnswer,
  type ImageInput,
  readImage,
} from './answers.ts';
import { expect, runtimeOf, ttaOf } from './arguments.ts';
import { withCodes } from './errors.ts';
import { type DistillOptions, type FinetuneJob, type FinetuneOptions, progressOf } from './finetune-job.ts';
import { requestOf } from './finetune-options.ts';
import { type ModelInfo, modelInfos } from './model-info.ts';
import { configOf, type ZooOptions } from './settings.ts';
import { Trainings } from './trainings.ts';
import type {
  EvaluateOptions,
  Evaluation,
  ExportOptions,
  FittedNovelty,
  ModelExport,
  PullOptions,
  QuantizedVariant,
  QuantizeOptions,
  Zoo,
} from './zoo.ts';

/** Images of one call that are read and computed at once: enough for full batches in every engine. */
const IN_FLIGHT = 64;

/**
 * Opens the models of a folder in this process. Nothing is read from the environment, no signal is handled, and nothing
 * is printed; the processes that compute run until `close`.
 * @throws MenagerieError `invalid_request` when a setting is wrong; `storage_unavailable`, `storage_full`
 */
export async function openZoo(options: ZooOptions = {}): Promise<Zoo> {
  return withCodes(undefined, async () => {
    const config = configOf(options);
    const zoo = await OpenedZoo.open(config, createLogger(config.logLevel));
    await zoo.services.watch.start();
    return zoo;
  });
}

/** The zoo, with the services below it for the commands. */
export class OpenedZoo implements Zoo {
  readonly services: Services;
  readonly #config: Config;
  readonly #trainings: Trainings;
  #closed: Promise<void> | undefined;

  private constructor(services: Services, config: Config, logger: Logger) {
    this.services = services;
    this.#config = config;
    this.#trainings = new Trainings(services, config, logger);
  }

  static async open(config: Config, logger: Logger): Promise<OpenedZoo> {
    return new OpenedZoo(await createServices(config, logger), config, logger);
  }

  classify(images: readonly ImageInput[], options: ClassifyOptions = {}): Promise<ImageAnswer[]> {
    return this.#call(options.signal, async () => {
      const { topK = 5, threshold, hierarchy, variant = 'float32' } = options;
      const tta = ttaOf(options.tta);
      expect(VARIANTS.includes(variant), 'variant', 'float32 or int8', variant);
      expect(Number.isSafeInteger(topK) && topK >= 1, 'topK', 'a whole number of at least 1', topK);
      const isShare = threshold === undefined || (threshold >= 0 && threshold <= 1);
      expect(isShare, 'threshold', 'a number from 0 to 1', threshold);
      const runtime = runtimeOf(options.runtime);
      // All images are answered by one version, wherever its alias points meanwhile.
      const reference = options.model ?? this.#config.defaultModel;
      await this.#pullAbsent(reference, options.signal);
      const model = this.services.registry.resolveClassifier(reference);
      const named = {
        ...(threshold !== undefined && { threshold }),
        ...(hierarchy !== undefined && { hierarchy }),
        ...(tta !== undefined && { tta }),
      };
      const how = { topK, ...named, runtime, variant, signal: sharedSignal(options.signal) };
      const answers: ImageAnswer[] = [];
      const classifyOne = async ([index, image]: [number, ImageInput]): Promise<void> => {
        how.signal.throwIfAborted();
        const name = typeof image === 'string' ? image : `image ${index + 1}`;
        answers[index] = answerOf(name, model, await this.#classifyOne(model, image, index, how));
      };
      const room = Math.min(IN_FLIGHT, this.#config.queueLimit);
      const atOnce = Math.max(1, Math.floor(room / (tta === undefined ? 1 : VIEWS[tta])));
      await forEachConcurrently(images.entries(), atOnce, classifyOne);
      return answers;
    });
  }

  explain(image: ImageInput, options: ExplainOptions = {}): Promise<Explanation> {
    return this.#call(options.signal, async () => {
      await this.#pullAbsent(options.model ?? this.#config.defaultModel, options.signal);
      return explanationOf(await this.services.explainer.explain(await explanationRequest(image, options)));
    });
  }

  drawExplanation(image: ImageInput, options: DrawOptions = {}): Promise<Uint8Array> {
    return this.#call(options.signal, async () => {
      const { opacity = 0.65 } = options;
      expect(opacity >= 0 && opacity <= 1, 'opacity', 'a number from 0 to 1', opacity);
      await this.#pullAbsent(options.model ?? this.#config.defaultModel, options.signal);
      return this.services.explainer.draw(await explanationRequest(image, options), opacity);
    });
  }

  finetune(path: string, { name, onProgress, signal, ...training }: FinetuneOptions): Promise<FinetuneJob> {
    return this.#call(signal, async () => {
      const request = requestOf(name, training);
      const parsed = parseFinetuneOptions(request);
      await this.#pullAbsent(parsed.backbone ?? this.#config.defaultBackbone, signal);
      this.#trainings.checks.pinBackbone(request);
      return this.#trainings.start({ onProgress, signal }, (trainer, control) =>
        trainer.train(parsed, path, randomUUID(), control),
      );
    });
  }

  distill(path: string, { onProgress, signal, ...given }: DistillOptions): Promise<FinetuneJob> {
    return this.#call(signal, async () => {
      const options = parseDistillationOptions(given);
      await this.#pullAbsent(options.teacher, signal);
      await this.#pullAbsent(options.student, signal);
      this.#trainings.checks.distillationModels(options);
      return this.#trainings.start({ onProgress, signal }, (trainer, control) =>
        trainer.distill(options, path, randomUUID(), control),
      );
    });
  }

  /** Checks a data set without training. @throws AppError when it cannot be trained on */
  inspect(path: string, { name, onProgress, signal, ...training }: FinetuneOptions): Promise<PreflightReport> {
    return this.#call(signal, async () => {
      const options = parseFinetuneOptions(requestOf(name, training));
      await this.#pullAbsent(options.backbone ?? this.#config.defaultBackbone, signal);
      const control = {
        onProgress: (progress: TrainingProgress) => onProgress?.(progressOf(progress)),
        signal: signal ?? new AbortController().signal,
      };
      return this.#trainings.withTrainer((trainer) => trainer.inspect(options, path, control));
    });
  }

  evaluate(reference: string, path: string, options: EvaluateOptions = {}): Promise<Evaluation> {
    const { onProgress } = options;
    return this.#call(options.signal, async () => {
      const { classifier, pipeline, registry, hierarchies } = this.services;
      await this.#pullAbsent(reference, options.signal);
      const model = registry.resolveClassifier(reference);
      const { signal = new AbortController().signal } = options;
      const tta = ttaOf(options.tta);
      const { corruptions = false } = options;
      expect(!(corruptions && tta !== undefined), 'tta', 'left out with corruptions, which are seen in one view', tta);
      const how = {
        model,
        runtime: runtimeOf(options.runtime),
        ...(tta !== undefined && { tta }),
        path,
        hierarchies,
        corruptions,
        signal,
        ...(onProgress && { onProgress }),
      };
      const fits = options.novelty === true;
      if (fits && registry.find(model.name)?.origin === 'store') {
        throw new AppError('invalid_request', `"${model.name}" was fine-tuned here and has a detector of its training`);
      }
      const { variant } = options;
      const known = variant === undefined || ROUNDED_VARIANTS.includes(variant);
      expect(known, 'variant', `left out, or one of ${ROUNDED_VARIANTS.join(', ')}`, variant);
      const parts = { ...this.services, maxImagePixels: this.#config.maxImagePixels };
      const comparison =
        variant && (await compareVariant(parts, model, variant, path, onProgress ?? (() => {}), signal));
      const accuracy = await measureAccuracy({ classifier, pipeline }, how);
      const measured = { model: model.name, version: model.version, ...accuracy, ...(comparison && { comparison }) };
      if (!fits) return measured;
      const found = await fitZooDetector(pipeline, { ...how, pulledDir: join(this.#config.dataDir, 'zoo') });
      await this.services.watch.scan();
      return { ...measured, novelty: fittedNovelty(found) };
    });
  }

  quantize(reference: string, path: string, options: QuantizeOptions = {}): Promise<QuantizedVariant> {
    const { method = DEFAULT_METHOD, onProgress = () => {}, signal = new AbortController().signal } = options;
    return this.#call(signal, async () => {
      expect(CALIBRATION_METHODS.includes(method), 'method', CALIBRATION_METHODS.join(', '), method);
      await this.#pullAbsent(reference, signal);
      const { model, record } = await this.services.quantizer.quantize(reference, path, method, { onProgress, signal });
      return {
        model: model.name,
        version: model.version,
        method: record.method,
        calibrationImages: record.calibration_images,
        variant: 'int8',
        images: record.images,
        agreement: record.agreement,
        largestDifference: record.max_probability_difference,
        ...(record.accuracy && {
          accuracy: {
            images: record.accuracy.images,
            float: record.accuracy.float,
            rounded: record.accuracy.int8,
          },
        }),
        sizeBytes: record.size_bytes,
        floatSizeBytes: record.float_size_bytes,
        speed: { floatMs: record.speed.float_ms, roundedMs: record.speed.int8_ms, ratio: record.speed.ratio },
      };
    });
  }

  models(): Promise<ModelInfo[]> {
    return this.#call(undefined, async () => {
      const { registry, watch } = this.services;
      await watch.scan();
      return modelInfos({ models: registry.list(), absent: registry.absent() }, this.#config);
    });
  }

  report(model: string, format: 'json' | 'html' = 'json'): Promise<string> {
    return this.#call(undefined, () => {
      expect(format === 'json' || format === 'html', 'format', 'json or html', format);
      return this.services.catalogue.report(model, format);
    });
  }

  export(model: string, { format, quantize = 'float32', variant = 'float32' }: ExportOptions): Promise<ModelExport> {
    return this.#call(undefined, async () => {
      await this.#pullAbsent(model, undefined);
      return this.services.catalogue.export(model, { format, quantize, variant });
    });
  }

  pull(name: string, options: PullOptions = {}): Promise<ModelInfo> {
    const { mirror, backboneOnly, onProgress = () => {}, signal = new AbortController().signal } = options;
    return this.#call(signal, async () => {
      const pulled = await this.services.puller.pull(name, { mirror, backboneOnly, onProgress, signal });
      const model = (await this.models()).find((each) => each.name === pulled.model.name);
      if (model === undefined) throw new AppError('model_unavailable', `${name} was pulled, but cannot be read`);
      return model;
    });
  }

  remove(reference: string): Promise<void> {
    return this.#call(undefined, async () => {
      const { administration, registry, watch } = this.services;
      await watch.scan();
      const [name = ''] = reference.split('@');
      if (registry.find(name)?.origin === 'store') {
        if (reference.includes('@')) await administration.removeVersion(reference);
        else await administration.removeModel(name);
        return;
      }
      const fullName = registry.fullName(reference);
      const { versions = [] } = registry.find(fullName) ?? {};
      if ((await removePulled(join(this.#config.dataDir, 'zoo'), fullName)) === undefined) {
        const { name: known } = registry.get(fullName);
        throw new AppError('model_read_only', `"${known}" is embedded in the package and cannot be removed`);
      }
      await watch.scan();
      const staying = registry.list().flatMap((each) => each.versions);
      for (const version of versions) await this.services.quantized.remove(version, staying);
    });
  }

  close(): Promise<void> {
    this.#closed ??= withCodes(undefined, async () => {
      await this.#trainings.close();
      await this.services.close();
    });
    return this.#closed;
  }

  /** @throws AppError `shutting_down` after `close` */
  #call<T>(signal: AbortSignal | undefined, call: () => T | Promise<T>): Promise<T> {
    return withCodes(signal, () => {
      if (this.#closed !== undefined) throw new AppError('shutting_down', 'the zoo was closed');
      return call();
    });
  }

  /** Pulls the model that a reference means, when it can be pulled and the setting `autoPull` allows it. */
  async #pullAbsent(reference: string, signal = new AbortController().signal): Promise<void> {
    const { registry, puller, watch } = this.services;
    const absent = this.#config.autoPull ? registry.findAbsent(reference) : undefined;
    if (absent === undefined) return;
    await puller.pull(absent.name, { onProgress: () => {}, signal });
    await watch.scan();
  }

  async #classifyOne(
    { name, version }: ModelVersion,
    image: ImageInput,
    index: number,
    how: Pick<ClassificationRequest, 'topK' | 'threshold' | 'hierarchy' | 'tta' | 'runtime' | 'variant' | 'signal'>,
  ): Promise<ImageResult> {
    const model = `${name}@${version}`;
    let read: Awaited<ReturnType<typeof readImage>>;
    try {
      read = await readImage(image, index);
    } catch (thrown) {
      if (thrown instanceof AppError) return { filename: String(image), error: thrown };
      throw thrown;
    }
    const { results } = await this.services.classifier.classify({ model, ...how, images: [read] });
    const [result] = results;
    if (result === undefined) throw new Error('the classifier returned no result for an image');
    return result;
  }
}

function fittedNovelty({ accepted = 0, detector, softmax }: NoveltyFigures): FittedNovelty {
  const separation = ({ auroc, false_positives }: NonNullable<NoveltyFigures['detector']>) => ({
    auroc,
    falsePositives: false_positives,
  });
  if (detector === undefined || softmax === undefined) return { accepted };
  return { accepted, unknownImages: { detector: separation(detector), softmax: separation(softmax) } };
}

async function explanationRequest(image: ImageInput, { model, class: wanted, signal }: ExplainOptions) {
  const { filename, bytes } = await readImage(image, 0);
  return { model, class: wanted, image: { filename, bytes }, signal: signal ?? new AbortController().signal };
}
