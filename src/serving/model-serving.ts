import { AppError, messageOf } from '../common/errors.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { RUNTIME_NAMES, type RuntimeName } from '../runtime/session.ts';
import { Batcher } from './batcher.ts';
import type { ConversionCache, ConvertedModel } from './conversion.ts';
import { EngineMemory, type EngineMemoryOptions, type LoadedModelReport } from './engine-memory.ts';
import { type EngineModels, engineModels } from './engine-models.ts';
import type { EngineLease, EnginePool } from './engine-pool.ts';
import { isDamage } from './engine-process.ts';
import { ServedModel } from './served-model.ts';

export interface ModelServingOptions extends Pick<EngineMemoryOptions, 'memoryBytes' | 'isPinned'> {
  readonly conversions: Pick<ConversionCache, 'get' | 'verified'>;
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
  /** Told of each model that was unloaded to make room. */
  readonly onEviction: (model: ModelVersion, runtime: RuntimeName) => void;
}

/** Images that wait for one model on one runtime. */
export interface WaitingImages {
  readonly model: string;
  readonly runtime: RuntimeName;
  readonly depth: number;
}

/** Where a model stands, in the words of the repository extension of the Open Inference Protocol. */
export interface ServingState {
  readonly state: 'READY' | 'LOADING' | 'UNAVAILABLE';
  /** Why it is not ready. */
  readonly reason: string;
}

/**
 * The models in the engines: each is converted, loaded and warmed up on first use, and unloaded when others need its
 * memory more, the least recently used first. What is under way with a model is finished before it goes.
 */
export class ModelServing {
  readonly #options: ModelServingOptions;
  /** The models that are asked when a request comes. */
  readonly #served = new Map<string, ServedModel>();
  readonly #memory: EngineMemory;
  /** Versions that were unloaded by request: nothing but a request loads them again. */
  readonly #unloaded = new Set<string>();
  /** Why a version could not be loaded on a runtime when that was last tried. */
  readonly #failures = new Map<string, string>();
  #uses = 0;
  #closing = false;

  constructor(options: ModelServingOptions) {
    this.#options = options;
    this.#memory = new EngineMemory({ ...options, evict: (served) => this.#evict(served) });
  }

  /**
   * Lets `work` use the queue of a model, which stays loaded until then. Who asks while it is being loaded waits for the
   * same load.
   * @throws AppError `model_not_loaded` when it was unloaded by request, `model_unavailable` with the reason when it
   * cannot be loaded, `shutting_down`; whatever `work` throws
   */
  async use<T>(model: ModelVersion, runtime: RuntimeName, work: (queue: Batcher) => Promise<T>): Promise<T> {
    if (this.#closing) throw new AppError('shutting_down', 'the server takes no new requests');
    if (this.#unloaded.has(versionKey(model))) throw notLoaded(model);
    const key = servedKey(model, runtime);
    const served = this.#served.get(key) ?? this.#serve(key, model, runtime);
    served.lastUsed = ++this.#uses;
    return served.use(work);
  }

  /** Ends what `unload` began: the next request loads the version again. */
  allow(model: ModelVersion): void {
    this.#unloaded.delete(versionKey(model));
  }

  /** Loads a model on ONNX Runtime, by request: settles when it is ready. @throws as `use` */
  async load(model: ModelVersion): Promise<void> {
    this.allow(model);
    await this.use(model, 'onnx', async () => undefined);
  }

  /** Unloads a version by request: from now on nobody can use it, until it is loaded by request. */
  async unload(model: ModelVersion): Promise<void> {
    this.#unloaded.add(versionKey(model));
    await this.release(model);
  }

  /** Forgets a version that was removed, or replaced by another, once those who use it are done. */
  async release(model: ModelVersion): Promise<void> {
    const served = RUNTIME_NAMES.flatMap((runtime) => this.#served.get(servedKey(model, runtime)) ?? []);
    await Promise.all(served.map((each) => this.#leave(each)));
  }

  /**
   * Loads a version that takes the place of one under the same name and number, where that one is loaded.
   * @returns lets the new one serve and the old one go, once what is under way with it is done
   * @throws AppError `model_unavailable` with the reason: then the old one serves on
   */
  async prepare(model: ModelVersion): Promise<() => void> {
    const runtimes = RUNTIME_NAMES.filter((runtime) => this.#served.get(servedKey(model, runtime))?.ready);
    const successors = runtimes.map((runtime) => new ServedModel(model, runtime, (self) => this.#load(self)));
    try {
      await Promise.all(successors.map(({ batcher }) => batcher));
    } catch (thrown) {
      for (const each of successors) void this.#leave(each);
      throw thrown;
    }
    return () => {
      const old = RUNTIME_NAMES.flatMap((runtime) => this.#served.get(servedKey(model, runtime)) ?? []);
      for (const each of old) void this.#leave(each);
      for (const each of successors) {
        // It may have been unloaded by request, or to make room, before it could serve.
        if (this.#unloaded.has(versionKey(model)) || each.leaving !== undefined) void this.#leave(each);
        else this.#served.set(servedKey(model, each.runtime), each);
        each.lastUsed = ++this.#uses;
      }
    };
  }

  /** Where a version stands; ready when it is on any runtime. */
  state(model: ModelVersion): ServingState {
    const served = RUNTIME_NAMES.flatMap((runtime) => this.#served.get(servedKey(model, runtime)) ?? []);
    if (served.some(({ ready }) => ready)) return { state: 'READY', reason: '' };
    if (served.length > 0) return { state: 'LOADING', reason: '' };
    return { state: 'UNAVAILABLE', reason: this.obstacle(model) ?? 'it is loaded at the first request for it' };
  }

  /** Why a request for a version would fail on ONNX Runtime, as far as that is known. */
  obstacle(model: ModelVersion): string | undefined {
    const isUnloaded = this.#unloaded.has(versionKey(model));
    return isUnloaded ? 'it was unloaded by request' : this.#failures.get(servedKey(model, 'onnx'));
  }

  waiting(): WaitingImages[] {
    return [...this.#served.values()].map(({ model, runtime, depth }) => ({
      model: model.name,
      runtime,
      depth: depth(),
    }));
  }

  /** The models that have memory in the engines. */
  loaded(): LoadedModelReport[] {
    return this.#memory.report();
  }

  /** Takes no more images and settles when those already taken are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    const batchers = await Promise.allSettled([...this.#served.values()].map(({ batcher }) => batcher));
    await Promise.all(batchers.map((result) => (result.status === 'fulfilled' ? result.value.close() : undefined)));
  }

  #serve(key: string, model: ModelVersion, runtime: RuntimeName): ServedModel {
    const served = new ServedModel(model, runtime, (self) => this.#load(self));
    this.#served.set(key, served);
    served.batcher.then(
      () => this.#failures.delete(key),
      (thrown: unknown) => {
        // The next request tries again: a missing file may have been put in place meanwhile.
        if (this.#served.get(key) === served) this.#served.delete(key);
        this.#failures.set(key, messageOf(thrown));
      },
    );
    return served;
  }

  async #load(served: ServedModel): Promise<Batcher> {
    const { model, runtime } = served;
    const { conversions, engines, queueLimit } = this.#options;
    const converted = await conversions.get(model);
    const models = engineModels(model, converted, runtime, {
      ...this.#options,
      concurrency: (engineModel) => engines.concurrency(engineModel),
    });
    const residence = {
      key: `${converted.key}/${runtime}`,
      bytes: models.bytes,
      engineModels: [models.many, models.alone],
    };
    await this.#memory.reserve(served, residence);
    const batcher = this.#createBatcher(served, models, converted);
    try {
      await warmUp(batcher, model, Math.min(2 * engines.concurrency(models.many), queueLimit));
    } catch (thrown) {
      await this.#memory.free(served);
      throw thrown;
    }
    return batcher;
  }

  #evict(served: ServedModel): Promise<void> {
    if (served.leaving === undefined) this.#options.onEviction(served.model, served.runtime);
    return this.#leave(served);
  }

  /** Nobody new gets it; once nobody uses it any more, the engines free it. */
  #leave(served: ServedModel): Promise<void> {
    const key = servedKey(served.model, served.runtime);
    if (this.#served.get(key) === served) this.#served.delete(key);
    served.leaving ??= (async () => {
      const [batcher] = await Promise.allSettled([served.batcher]);
      await served.idle();
      // Images of a request that failed for another one's sake may still be on their way.
      if (batcher.status === 'fulfilled') await batcher.value.close();
      await this.#memory.free(served);
    })();
    return served.leaving;
  }

  #createBatcher(served: ServedModel, { many, alone }: EngineModels, converted: ConvertedModel): Batcher {
    const { model, runtime } = served;
    const { engines, maxBatchSize, maxDelayMs, queueLimit, onBatch } = this.#options;
    const batcher: Batcher = new Batcher({
      engines: {
        size: engines.concurrency(many),
        acquire: async (priority) => {
          const lease = await engines.acquire(batcher.queued <= 1 && engines.idle ? alone : many, priority);
          return this.#repairing(lease, served, converted);
        },
      },
      imageShape: [...model.manifest.preprocessing.inputSize, 3],
      maxBatchSize: Math.min(maxBatchSize, converted.maxBatch ?? maxBatchSize),
      maxDelayMs,
      queueLimit,
      onBatch: ({ batchSize }) => onBatch(model, runtime, batchSize),
    });
    return batcher;
  }

  /** A lease that converts the model again when the engine finds a file of it damaged, and then runs the batch again. */
  #repairing(lease: EngineLease, served: ServedModel, { onnx: { path } }: ConvertedModel): EngineLease {
    return {
      run: async (...batch) => {
        try {
          return await lease.run(...batch);
        } catch (thrown) {
          if (!isDamage(thrown)) throw thrown;
          const repaired = await this.#options.conversions.verified(served.model);
          if (repaired.onnx.path === path) return await lease.run(...batch);
          // The damaged files cannot be replaced, and the new ones are elsewhere: the next request loads those.
          void this.#leave(served);
          throw thrown;
        }
      },
      release: () => lease.release(),
    };
  }
}

/**
 * Runs black pictures through a model, one alone and then some at once, so that its sessions are open and their memory is
 * laid out when the first requests come.
 */
async function warmUp(batcher: Batcher, { manifest }: ModelVersion, atOnce: number): Promise<void> {
  const [height, width] = manifest.preprocessing.inputSize;
  const black = new Uint8Array(height * width * 3);
  const run = () => batcher.submit(black, { priority: 'interactive', outputs: ['probabilities'] });
  await run();
  await Promise.all(Array.from({ length: atOnce }, run));
}

function notLoaded({ name, version }: ModelVersion): AppError {
  return new AppError(
    'model_not_loaded',
    `version ${version} of model "${name}" was unloaded by request; POST /v2/repository/models/${name}@${version}/load loads it again`,
  );
}

function versionKey({ name, version }: ModelVersion): string {
  return `${name}@${version}`;
}

function servedKey(model: ModelVersion, runtime: RuntimeName): string {
  return `${versionKey(model)}/${runtime}`;
}
