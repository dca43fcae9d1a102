import type { EnginePool } from '../engine/pool.ts';
import { AppError } from '../errors.ts';
import { Batcher } from '../inference/batcher.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { RUNTIME_NAMES, type RuntimeName } from '../runtime/session.ts';
import type { ConversionCache, ConvertedModel } from './conversion.ts';

export interface ModelServingOptions {
  readonly conversions: Pick<ConversionCache, 'get'>;
  readonly engines: Pick<EnginePool, 'concurrency' | 'acquire' | 'unload'>;
  /** Threads of one session. */
  readonly threads: number;
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

interface ServedModel {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  readonly batcher: Promise<Batcher>;
  /** What engines call the model, once it is converted; versions of the same weights share it. */
  engineKey: string | undefined;
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
    const stillServed = new Set([...this.#served.values()].map(({ engineKey }) => engineKey));
    for (const { engineKey } of released) {
      if (engineKey !== undefined && !stillServed.has(engineKey)) await this.#options.engines.unload(engineKey);
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
        served.engineKey = engineKey(converted, runtime);
        return this.#createBatcher(model, runtime, converted);
      }),
      engineKey: undefined,
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

  #createBatcher(model: ModelVersion, runtime: RuntimeName, converted: ConvertedModel): Batcher {
    const { engines, threads, maxBatchSize, maxDelayMs, queueLimit, onBatch } = this.#options;
    const engineModel = { key: engineKey(converted, runtime), runtime, path: converted[runtime].path, threads };
    return new Batcher({
      engines: {
        size: engines.concurrency(engineModel),
        acquire: (priority) => engines.acquire(engineModel, priority),
      },
      imageShape: [...model.manifest.preprocessing.inputSize, 3],
      maxBatchSize,
      maxDelayMs,
      queueLimit,
      onBatch: ({ batchSize }) => onBatch(model, runtime, batchSize),
    });
  }
}

function servedKey({ name, version }: ModelVersion, runtime: RuntimeName): string {
  return `${name}@${version}/${runtime}`;
}

function engineKey({ key }: ConvertedModel, runtime: RuntimeName): string {
  return `${key}/${runtime}`;
}
