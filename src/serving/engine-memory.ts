import { Mutex } from '../common/mutex.ts';
import type { ModelMemory } from '../metrics/metrics.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { EnginePool } from './engine-pool.ts';
import type { Residence, ServedModel } from './served-model.ts';

export interface EngineMemoryOptions {
  readonly engines: Pick<EnginePool, 'unload'>;
  /** Bytes of weights that the engines may hold, over all models. */
  readonly memoryBytes: number;
  /** Whether a model is unloaded only when no other model can be. */
  readonly isPinned: (model: ModelVersion) => boolean;
  /** Unloads a model to make room. Settles after `free` has been called for it. */
  readonly evict: (model: ServedModel) => Promise<void>;
}

/** The memory of the engines: which models have some, and which are unloaded when another model needs it. */
export class EngineMemory {
  readonly #options: EngineMemoryOptions;
  /** Models that have memory, including those that are being unloaded. */
  readonly #resident = new Set<ServedModel>();
  /** Models whose sessions the engines are unloading: they keep no session for another model any more. */
  readonly #freeing = new Map<ServedModel, Promise<void>>();
  /** Only one load at a time makes room: two must not count on the same memory. */
  readonly #reserving = new Mutex();

  constructor(options: EngineMemoryOptions) {
    this.#options = options;
  }

  /** Reserves memory for a model. Unloads others to make room, the least recently used first. */
  async reserve(served: ServedModel, residence: Residence): Promise<void> {
    await this.#reserving.run(async () => {
      for (;;) {
        const others = [...this.#resident].filter((other) => other.residence?.key !== residence.key);
        if (bytesOf(others) + residence.bytes <= this.#options.memoryBytes) break;
        await this.#options.evict(this.#leastUseful(others));
      }
      served.residence = residence;
      this.#resident.add(served);
    });
  }

  /**
   * Unloads a model that is not in use from the engines, unless another one shares its sessions. Settles when its
   * memory is free.
   */
  async free(served: ServedModel): Promise<void> {
    if (!this.#resident.has(served)) return;
    const freeing = this.#freeing.get(served) ?? this.#unload(served).finally(() => this.#freeing.delete(served));
    this.#freeing.set(served, freeing);
    await freeing;
  }

  report(): ModelMemory[] {
    return [...this.#resident].map(({ model: { name, version }, runtime, residence }) => ({
      model: name,
      version,
      runtime,
      bytes: residence?.bytes ?? 0,
    }));
  }

  async #unload(served: ServedModel): Promise<void> {
    const { residence } = served;
    const others = [...this.#resident].filter((other) => other !== served && !this.#freeing.has(other));
    const isShared = others.some((other) => other.residence?.key === residence?.key);
    const keys = new Set(residence?.engineModels.map(({ key }) => key));
    if (!isShared) await this.#options.engines.unload([...keys]);
    residence?.release?.();
    this.#resident.delete(served);
  }

  #leastUseful(candidates: readonly ServedModel[]): ServedModel {
    const { isPinned } = this.#options;
    const [first] = [...candidates].sort(
      (a, b) => Number(isPinned(a.model)) - Number(isPinned(b.model)) || a.lastUsed - b.lastUsed,
    );
    if (first === undefined) throw new Error('there is not enough memory, and nothing to unload');
    return first;
  }
}

/** Bytes of all models. Sessions that models share count once. */
function bytesOf(models: readonly ServedModel[]): number {
  const byKey = new Map(models.map(({ residence }) => [residence?.key, residence?.bytes ?? 0]));
  return [...byKey.values()].reduce((sum, bytes) => sum + bytes, 0);
}
