import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import type { Batcher } from './batcher.ts';
import type { EngineModel } from './engine-messages.ts';

/** The memory of the engines that a model takes. */
export interface Residence {
  /** The same for versions with the same weights, which share their sessions. */
  readonly key: string;
  /** Bytes of the weights, over all sessions. */
  readonly bytes: number;
  readonly engineModels: readonly EngineModel[];
  /** Called once, when the model is unloaded. */
  readonly release?: () => void;
}

/** One version of a model on one runtime, from the first request for it until it is unloaded. */
export class ServedModel {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** The batcher, once the model is converted, loaded and warm; rejects when it cannot be loaded. */
  readonly batcher: Promise<Batcher>;
  /** Whether `batcher` has been fulfilled. */
  ready = false;
  /** Images that wait for the model. */
  depth: () => number = () => 0;
  /** Set while memory is reserved for the model. */
  residence: Residence | undefined;
  /** Number of the last use, counted over the uses of all models. */
  lastUsed = 0;
  /** Set when the model is being unloaded; settles when the engines have freed it. */
  leaving: Promise<void> | undefined;
  #users = 0;
  #onIdle: (() => void)[] = [];

  /** @param load makes the batcher; called at once */
  constructor(model: ModelVersion, runtime: RuntimeName, load: (served: ServedModel) => Promise<Batcher>) {
    this.model = model;
    this.runtime = runtime;
    this.batcher = load(this);
    this.batcher.then(
      (batcher) => {
        this.ready = true;
        this.depth = () => batcher.queued;
      },
      // `use` rejects with the error.
      () => undefined,
    );
  }

  /** Calls `work` when the model is ready; the model counts as in use until `work` has settled. */
  async use<T>(work: (batcher: Batcher) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work(await this.batcher);
    } finally {
      this.#users -= 1;
      if (this.#users === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Settles when the model is not in use. */
  idle(): Promise<void> {
    if (this.#users === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}
