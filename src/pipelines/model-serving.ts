import type { EngineModel } from '../engine/messages.ts';
import type { EnginePool } from '../engine/pool.ts';
import { AppError } from '../errors.ts';
import { Batcher } from '../inference/batcher.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { RUNTIME_NAMES, type RuntimeName } from '../runtime/session.ts';
import { type ConversionCache, type ConvertedModel, requireFormat } from './conversion.ts';

export interface ModelServingOptions {
  readonly conversions: Pick<ConversionCache, 'get'>;
  readonly engines: Pick<EnginePool, 'concurrency' | 'acquire' | 'unload' | 'idle'>;
  /** Threads of one session under load. */
  readonly threads: number;
  readonly cores: number;
  readonly maxBatchSize: number;
  readonly maxDelayMs: number;
  /** Images that may wait for one model. */
  readonly queueLimit: number;
  /** Told of each batch that was answered, for metrics. */
  readonly onBatch: (model: ModelVersion, runtime: RuntimeName, images: number) => void;
}

/** Images that wait for one model on one runtime. */
export interface WaitingImages {
  readonly model: string;
  readonly runtime: RuntimeName;
  readonly depth: number;
}

/** Threads beyond these hardly make one image of one model faster. */
const LONE_THREADS = 4;

interface EngineModels {
  readonly many: EngineModel;
  readonly alone: EngineModel;
}

interface ServedModel {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  readonly batcher: Promise<Batcher>;
  /** What engines call the model, once it is converted; versions of the same weights share them. */
  engineKeys: readonly string[];
  /** Once there is a batcher: images that wait in it. */
  depth: () => number;
}

/** The queues of the models that are served, each made on first use: converted, and bound to the engines. */
export class ModelServing {
  readonly #options: ModelServingOptions;
  readonly #served = new Map<string, ServedModel>();
  #closing = false;

  constructor(options: ModelServingOptions) {
    this.#options = options;
  }

  /** The queue of a model; who asks while it is being converted waits for the same conversion. */
  batcher(model: ModelVersion, runtime: RuntimeName): Promise<Batcher> {
    if (this.#closing) return Promise.reject(new AppError('shutting_down', 'the server takes no new requests'));
    const key = servedKey(model, runtime);
    const served = this.#served.get(key) ?? this.#serve(key, model, runtime);
    return served.batcher;
  }

  waiting(): WaitingImages[] {
    return [...this.#served.values()].map(({ model, runtime, depth }) => ({
      model: model.name,
      runtime,
      depth: depth(),
    }));
  }

  /** Forgets the queues of a version that was removed; engines free it behind what they run. */
  async release(model: ModelVersion): Promise<void> {
    const keys = RUNTIME_NAMES.map((runtime) => servedKey(model, runtime));
    const released = keys.flatMap((key) => this.#served.get(key) ?? []);
    for (const key of keys) this.#served.delete(key);
    const stillServed = new Set([...this.#served.values()].flatMap(({ engineKeys }) => engineKeys));
    for (const key of new Set(released.flatMap(({ engineKeys }) => engineKeys))) {
      if (!stillServed.has(key)) await this.#options.engines.unload(key);
    }
  }

  /** Takes no more images and settles when those already taken are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    const batchers = await Promise.allSettled([...this.#served.values()].map(({ batcher }) => batcher));
    await Promise.all(batchers.map((result) => (result.status === 'fulfilled' ? result.value.close() : undefined)));
  }

  #serve(key: string, model: ModelVersion, runtime: RuntimeName): ServedModel {
    const served: ServedModel = {
      model,
      runtime,
      batcher: this.#options.conversions.get(model).then((converted) => {
        const engineModels = this.#engineModels(model, converted, runtime);
        served.engineKeys = Object.values(engineModels).map(({ key }) => key);
        return this.#createBatcher(model, runtime, engineModels, converted.maxBatch);
      }),
      engineKeys: [],
      depth: () => 0,
    };
    this.#served.set(key, served);
    served.batcher.then(
      (batcher) => {
        served.depth = () => batcher.queued;
      },
      // The next request tries again: a missing file may have been put in place meanwhile.
      () => this.#served.delete(key),
    );
    return served;
  }

  /**
   * A model twice: with the threads that suit a loaded server, and with as many as help a request that is alone. The second
   * costs the memory of another session in the engine that runs it.
   */
  #engineModels(model: ModelVersion, converted: ConvertedModel, runtime: RuntimeName): EngineModels {
    const { threads, cores } = this.#options;
    const { path } = requireFormat(model, converted, runtime);
    const { explanation } = converted;
    const explained = runtime === 'onnx' && 'path' in explanation ? { explanationPath: explanation.path } : {};
    // TensorFlow.js gains nothing from a second thread: its WebAssembly has one, its native part is slower on two.
    const [many, alone] = runtime === 'onnx' ? [threads, Math.max(threads, Math.min(cores, LONE_THREADS))] : [1, 1];
    const withThreads = (count: number): EngineModel => ({
      key: `${converted.key}/${runtime}/${count}`,
      runtime,
      path,
      ...explained,
      threads: count,
    });
    return { many: withThreads(many), alone: withThreads(alone) };
  }

  #createBatcher(
    model: ModelVersion,
    runtime: RuntimeName,
    { many, alone }: EngineModels,
    modelMaxBatch = Number.POSITIVE_INFINITY,
  ): Batcher {
    const { engines, maxBatchSize, maxDelayMs, queueLimit, onBatch } = this.#options;
    const batcher: Batcher = new Batcher({
      engines: {
        size: engines.concurrency(many),
        acquire: (priority) => engines.acquire(batcher.queued <= 1 && engines.idle ? alone : many, priority),
      },
      imageShape: [...model.manifest.preprocessing.inputSize, 3],
      maxBatchSize: Math.min(maxBatchSize, modelMaxBatch),
      maxDelayMs,
      queueLimit,
      onBatch: ({ batchSize }) => onBatch(model, runtime, batchSize),
    });
    return batcher;
  }
}

function servedKey({ name, version }: ModelVersion, runtime: RuntimeName): string {
  return `${name}@${version}/${runtime}`;
}
