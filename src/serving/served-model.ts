import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import type { Batcher } from './batcher.ts';
import type { EngineModel } from './engine-messages.ts';

/** What a model takes in the engines. */
export interface Residence {
  /** The same for versions of the same weights, which share their sessions. */
  readonly key: string;
  /** Bytes of the weights, over all sessions. */
  readonly bytes: number;
  readonly engineModels: readonly EngineModel[];
}

/** One version of a model on one runtime: from the first request for it until it is unloaded. */
export class ServedModel {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** Its queue, once it is converted, loaded and warm; rejects when it cannot be. */
  readonly batcher: Promise<Batcher>;
  /** Whether `batcher` has settled well. */
  ready = false;
  /** Images that wait in its queue. */
  depth: () => number = () => 0;
  /** Set when its memory is reserved; it is in the engines from then on. */
  residence: Residence | undefined;
  /** When it was last used, in uses of any model. */
  lastUsed = 0;
  /** Set once it is being unloaded; settles when the engines have freed it. */
  leaving: Promise<void> | undefined;
  #users = 0;
  #onIdle: (() => void)[] = [];

  /** @param load makes the queue; called at once */
  constructor(model: ModelVersion, runtime: RuntimeName, load: (served: ServedModel) => Promise<Batcher>) {
    this.model = model;
    this.runtime = runtime;
    this.batcher = load(this);
    this.batcher.then(
      (batcher) => {
        this.ready = true;
        this.depth = () => batcher.queued;
      },
      // Whoever asked for it is told.
      () => undefined,
    );
  }

  /** Counts as in use while `work` lasts, which starts when the model is ready. */
  async use<T>(work: (batcher: Batcher) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work(await this.batcher);
    } finally {
      this.#users -= 1;
      if (this.#users === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Settles when nobody uses it. */
  idle(): Promise<void> {
    if (this.#users === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}
