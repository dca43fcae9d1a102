import { AppError, messageOf } from '../common/errors.ts';
import type { ModelMemory, QueueDepth } from '../metrics/metrics.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { RUNTIME_NAMES, type RuntimeName } from '../runtime/session.ts';
import type { Batcher } from './batcher.ts';
import { EngineMemory, type EngineMemoryOptions } from './engine-memory.ts';
import type { EnginePool } from './engine-pool.ts';
import { ModelLoader, type ModelLoaderOptions } from './model-loader.ts';
import { ServedModel } from './served-model.ts';

export interface ModelServingOptions extends ModelLoaderOptions, Pick<EngineMemoryOptions, 'isPinned'> {
  readonly engines: ModelLoaderOptions['engines'] & Pick<EnginePool, 'unload' | 'obstacle'>;
  /** Called after a model was unloaded to make room. */
  readonly onEviction: (model: ModelVersion, runtime: RuntimeName) => void;
}

/** The state of a model, in the words of the model repository extension of the Open Inference Protocol. */
export interface ServingState {
  readonly state: 'READY' | 'LOADING' | 'UNAVAILABLE';
  /** Why the model is not ready. */
  readonly reason: string;
}

/**
 * The models in the engines. Each is loaded at its first use, and unloaded when others need its memory, the least
 * recently used first. Requests in flight are finished before their model is unloaded.
 */
export class ModelServing {
  readonly #options: ModelServingOptions;
  /** The models that new requests use. Those that are being unloaded are not among them. */
  readonly #served = new Map<string, ServedModel>();
  readonly #leaving = new Set<ServedModel>();
  readonly #memory: EngineMemory;
  readonly #loader: ModelLoader;
  /** Versions that were unloaded by request: only a request to load them makes them usable again. */
  readonly #unloaded = new Set<string>();
  /** Why the last attempt to load a version on a runtime failed. */
  readonly #failures = new Map<string, string>();
  #uses = 0;
  #closing = false;

  constructor(options: ModelServingOptions) {
    this.#options = options;
    this.#memory = new EngineMemory({ ...options, evict: (served) => this.#evict(served) });
    this.#loader = new ModelLoader(options, this.#memory, (served) => void this.#leave(served));
  }

  /**
   * Calls `work` with the batcher of a model, which stays loaded until `work` has settled. Concurrent calls share one
   * load.
   * @throws AppError `model_not_loaded` when it was unloaded by request, `model_unavailable` with the reason when it
   * cannot be loaded, `shutting_down`; whatever `work` throws
   */
  async use<T>(model: ModelVersion, runtime: RuntimeName, work: (queue: Batcher) => Promise<T>): Promise<T> {
    if (this.#closing) throw new AppError('shutting_down', 'the server is shutting down and takes no more requests');
    if (this.#unloaded.has(versionKey(model))) throw notLoaded(model);
    const key = servedKey(model, runtime);
    const served = this.#served.get(key) ?? this.#serve(key, model, runtime);
    served.lastUsed = ++this.#uses;
    return served.use(work);
  }

  /** Makes a version usable again that was unloaded by request; the next request loads it. */
  allow(model: ModelVersion): void {
    this.#unloaded.delete(versionKey(model));
  }

  /** Loads a version on ONNX Runtime by request. Settles when it is ready. @throws as `use` */
  async load(model: ModelVersion): Promise<void> {
    this.allow(model);
    await this.use(model, 'onnx', async () => undefined);
  }

  /** Unloads a version by request. It cannot be used until it is loaded by request. */
  async unload(model: ModelVersion): Promise<void> {
    this.#unloaded.add(versionKey(model));
    await this.release(model);
  }

  /** Unloads a version that was removed or replaced. Settles when the requests that use it are done. */
  async release(model: ModelVersion): Promise<void> {
    const leaving = [...this.#leaving].filter((each) => isOf(each, model));
    await Promise.all([...this.#all(model), ...leaving].map((each) => this.#leave(each)));
  }

  /**
   * Loads a version that is to replace one of the same name and number, on the runtimes on which that one is loaded.
   * @returns makes new requests use the new one, and unloads the old one when the requests that use it are done
   * @throws AppError `model_unavailable` with the reason; the old one stays then
   */
  async prepare(model: ModelVersion): Promise<() => void> {
    // Other variants of the new one have yet to be made.
    const ready = this.#all(model).filter((each) => each.ready && each.model.variant === undefined);
    const successors = ready.map(({ runtime }) => new ServedModel(model, runtime, (self) => this.#loader.load(self)));
    try {
      await Promise.all(successors.map(({ batcher }) => batcher));
    } catch (thrown) {
      for (const each of successors) void this.#leave(each);
      throw thrown;
    }
    return () => {
      void this.release(model);
      for (const runtime of RUNTIME_NAMES) this.#failures.delete(servedKey(model, runtime));
      for (const each of successors) {
        // It may have been unloaded by request, or to make room, before it could serve.
        if (this.#unloaded.has(versionKey(model)) || each.leaving !== undefined) void this.#leave(each);
        else this.#served.set(servedKey(model, each.runtime), each);
        each.lastUsed = ++this.#uses;
      }
    };
  }

  /** The state of a version. It is ready when it is ready on any runtime. */
  state(model: ModelVersion): ServingState {
    const served = this.#all(model);
    if (served.some(({ ready }) => ready)) return { state: 'READY', reason: '' };
    if (served.length > 0) return { state: 'LOADING', reason: '' };
    return { state: 'UNAVAILABLE', reason: this.obstacle(model) ?? 'it is loaded at the first request for it' };
  }

  /** Why a request for a version would fail or wait on ONNX Runtime, as far as that is known. */
  obstacle(model: ModelVersion): string | undefined {
    if (this.#unloaded.has(versionKey(model))) return 'it was unloaded by request';
    return this.#failures.get(servedKey(model, 'onnx')) ?? this.#options.engines.obstacle;
  }

  waiting(): QueueDepth[] {
    return [...this.#served.values()].map(({ model, runtime, depth }) => ({
      model: model.name,
      runtime,
      depth: depth(),
    }));
  }

  /** The models that have memory in the engines. */
  loaded(): ModelMemory[] {
    return this.#memory.report();
  }

  /**
   * Refuses new requests and settles when the images already accepted are answered. Loads that run are not waited
   * for.
   */
  async close(): Promise<void> {
    this.#closing = true;
    const ready = [...this.#served.values()].filter((served) => served.ready);
    await Promise.all(ready.map(async ({ batcher }) => (await batcher).close()));
  }

  #all(model: ModelVersion): ServedModel[] {
    return [...this.#served.values()].filter((served) => isOf(served, model));
  }

  #serve(key: string, model: ModelVersion, runtime: RuntimeName): ServedModel {
    const served = new ServedModel(model, runtime, (self) => this.#loader.load(self));
    this.#served.set(key, served);
    served.batcher.then(
      () => this.#failures.delete(key),
      (thrown: unknown) => {
        // A version that was removed or replaced meanwhile has left no failure behind.
        if (this.#served.get(key) !== served) return;
        // The next request tries again: a missing file may have been restored by then.
        this.#served.delete(key);
        this.#failures.set(key, messageOf(thrown));
      },
    );
    return served;
  }

  #evict(served: ServedModel): Promise<void> {
    if (served.leaving === undefined) this.#options.onEviction(served.model, served.runtime);
    return this.#leave(served);
  }

  /** New requests do not get the model; it is unloaded when the requests that use it are done. */
  #leave(served: ServedModel): Promise<void> {
    const key = servedKey(served.model, served.runtime);
    if (this.#served.get(key) === served) this.#served.delete(key);
    served.leaving ??= this.#finish(served);
    return served.leaving;
  }

  async #finish(served: ServedModel): Promise<void> {
    this.#leaving.add(served);
    const [batcher] = await Promise.allSettled([served.batcher]);
    await served.idle();
    // When one image of a request fails, others of it may still be running.
    if (batcher.status === 'fulfilled') await batcher.value.close();
    await this.#memory.free(served);
    this.#leaving.delete(served);
  }
}

function notLoaded({ name, version }: ModelVersion): AppError {
  return new AppError(
    'model_not_loaded',
    `version ${version} of model "${name}" was unloaded by request; POST ` +
      `/v2/repository/models/${name}@${version}/load loads it again`,
  );
}

function versionKey({ name, version }: ModelVersion): string {
  return `${name}@${version}`;
}

function servedKey(model: ModelVersion, runtime: RuntimeName): string {
  return `${versionKey(model)}/${runtime}/${model.variant ?? 'float32'}`;
}

/** Whether it is the version, in the variant that is named; in any variant when none is. */
function isOf(served: ServedModel, model: ModelVersion): boolean {
  const fits = model.variant === undefined || served.model.variant === model.variant;
  return fits && versionKey(served.model) === versionKey(model);
}
