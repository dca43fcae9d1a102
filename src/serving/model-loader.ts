import type { ModelVersion } from '../registry/registry.ts';
import type { ExecutionProvider } from '../runtime/execution-provider.ts';
import type { RuntimeName } from '../runtime/session.ts';
import { requireTensorFlow } from '../runtime/tensorflow-packages.ts';
import { BatchSizing, type SessionKind } from './batch-sizing.ts';
import { Batcher } from './batcher.ts';
import type { ConversionCache, ConvertedModel } from './conversion-cache.ts';
import type { EngineMemory } from './engine-memory.ts';
import type { EngineModel, EngineVersion } from './engine-messages.ts';
import { type EngineModels, engineModels } from './engine-models.ts';
import type { EnginePool } from './engine-pool.ts';
import { isDamage } from './engine-process.ts';
import type { EngineLease } from './engine-slot.ts';
import type { ServedModel } from './served-model.ts';
import type { TritonEngines } from './triton/triton-engines.ts';

export interface ModelLoaderOptions {
  readonly conversions: Pick<ConversionCache, 'get' | 'verified'>;
  /** Engine processes, or a Triton server, which is asked for a model before it is loaded. */
  readonly engines: Pick<EnginePool, 'concurrency' | 'acquire' | 'idle'> & Partial<Pick<TritonEngines, 'prepare'>>;
  /** Threads of one session under load. */
  readonly threads: number;
  readonly cores: number;
  /** What ONNX Runtime computes on; the processor when absent. */
  readonly executionProvider?: ExecutionProvider;
  /** Bytes of weights that the engines may hold, over all models. */
  readonly memoryBytes: number;
  readonly maxBatchSize: number;
  readonly maxDelayMs: number;
  /** Images that may wait for one model. */
  readonly queueLimit: number;
  /** Called after each batch that was answered, for metrics. */
  readonly onBatch: (model: ModelVersion, runtime: RuntimeName, images: number, inferenceMs: number) => void;
}

/** Makes a model ready for images: it is converted, gets memory of the engines, and is loaded and warmed up. */
export class ModelLoader {
  readonly #options: ModelLoaderOptions;
  readonly #memory: Pick<EngineMemory, 'reserve' | 'free'>;
  readonly #discard: (served: ServedModel) => void;

  /** @param discard has a model unloaded whose files are elsewhere now: the next request loads it from there */
  constructor(
    options: ModelLoaderOptions,
    memory: Pick<EngineMemory, 'reserve' | 'free'>,
    discard: (served: ServedModel) => void,
  ) {
    this.#options = options;
    this.#memory = memory;
    this.#discard = discard;
  }

  /** @throws AppError `model_unavailable` with the reason, `format_unavailable`, `tensorflow_missing`, `engine_lost` */
  async load(served: ServedModel): Promise<Batcher> {
    try {
      return await this.#load(served);
    } catch (thrown) {
      // The damaged files could not be replaced, and the repaired ones are in another folder.
      if (isDamage(thrown)) return await this.#load(served);
      throw thrown;
    }
  }

  async #load(served: ServedModel): Promise<Batcher> {
    const { model, runtime } = served;
    if (runtime === 'tfjs') requireTensorFlow();
    const { conversions, engines, queueLimit, executionProvider } = this.#options;
    const converted = await conversions.get(model);
    const version = engineVersion(model);
    const prepared = runtime === 'onnx' ? await engines.prepare?.(version) : undefined;
    let models: EngineModels;
    try {
      models = engineModels(model, converted, runtime, {
        ...this.#options,
        ...(executionProvider && { provider: executionProvider }),
        version,
        concurrency: (engineModel) => engines.concurrency(engineModel),
      });
      await this.#memory.reserve(served, {
        key: `${converted.key}/${runtime}`,
        bytes: models.bytes,
        engineModels: [models.many, models.alone],
        ...(prepared && { release: prepared.release }),
      });
    } catch (thrown) {
      prepared?.release();
      throw thrown;
    }
    const batcher = this.#createBatcher(served, models, converted, prepared?.maxBatch);
    try {
      await warmUp(batcher, model, Math.min(2 * engines.concurrency(models.many), queueLimit));
      return batcher;
    } catch (thrown) {
      // Other images of the warm-up may still wait for an engine, which would load the model again.
      await batcher.close();
      await this.#memory.free(served);
      throw thrown;
    }
  }

  /** @param maxBatch the most images in one batch, as the engines say; no limit of theirs when absent */
  #createBatcher(
    served: ServedModel,
    { many, alone }: EngineModels,
    converted: ConvertedModel,
    maxBatch: number | undefined,
  ): Batcher {
    const { engines, maxBatchSize, maxDelayMs, queueLimit, onBatch } = this.#options;
    const { model, runtime } = served;
    const most = Math.min(maxBatchSize, converted.maxBatch ?? maxBatchSize, maxBatch ?? maxBatchSize);
    const kindOf = (engineModel: EngineModel): SessionKind => ({
      threads: engineModel.threads,
      atOnce: engines.concurrency(engineModel),
    });
    const sizing = new BatchSizing(most, alone === many ? [kindOf(many)] : [kindOf(many), kindOf(alone)]);
    const batcher: Batcher = new Batcher({
      engines: {
        acquire: async (priority) => {
          const isAlone = batcher.queued <= 1 && engines.idle;
          const session = isAlone || sizing.threads(batcher.queued) === alone.threads ? alone : many;
          return this.#repairing(await engines.acquire(session, priority), served, converted);
        },
      },
      sizing,
      imageShape: [...model.manifest.preprocessing.inputSize, 3],
      maxBatchSize: most,
      maxDelayMs,
      queueLimit,
      onBatch: ({ batchSize, inferenceMs }) => onBatch(model, runtime, batchSize, inferenceMs),
    });
    return batcher;
  }

  /**
   * A lease that converts the model again when the engine finds one of its files damaged, and then repeats the batch.
   */
  #repairing(lease: EngineLease, served: ServedModel, { onnx: { path } }: ConvertedModel): EngineLease {
    return {
      threads: lease.threads,
      get cpuMs() {
        return lease.cpuMs;
      },
      run: async (...batch) => {
        try {
          return await lease.run(...batch);
        } catch (thrown) {
          if (!isDamage(thrown)) throw thrown;
          const repaired = await this.#options.conversions.verified(served.model);
          if (repaired.onnx.path === path) return await lease.run(...batch);
          // The folder of the damaged files cannot be written, so the repaired files are in another one.
          if (served.ready) this.#discard(served);
          throw thrown;
        }
      },
      release: () => lease.release(),
    };
  }
}

function engineVersion({ name, version, variant, manifest }: ModelVersion): EngineVersion {
  return { name, version, ...(variant && { variant }), weightsSha256: manifest.file.weights.sha256 };
}

/**
 * Computes images, some at once and then one, so that the sessions are open and have laid out their memory before the
 * first request. The engines open the first sessions side by side. The image is noise: with a plain one, models that standardise each image would divide by
 * zero.
 */
async function warmUp(batcher: Batcher, { manifest }: ModelVersion, atOnce: number): Promise<void> {
  const [height, width] = manifest.preprocessing.inputSize;
  const noise = Uint8Array.from({ length: height * width * 3 }, (_, index) => (index * 37) % 256);
  const run = () => batcher.submit(noise, { priority: 'interactive', outputs: ['probabilities'] });
  await Promise.all(Array.from({ length: atOnce }, run));
  await run();
}
