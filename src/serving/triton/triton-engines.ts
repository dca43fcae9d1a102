import { AppError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { loadGrpc } from '../../oip/grpc-library.ts';
import type { EngineModel, EngineVersion } from '../engine-messages.ts';
import type { EnginePool } from '../engine-pool.ts';
import type { EngineLease } from '../engine-slot.ts';
import { PRIORITIES, type Priority } from '../priority.ts';
import { RunTimes } from '../run-times.ts';
import { TritonClient } from './triton-client.ts';
import { TritonModels } from './triton-models.ts';

/** Batches on their way for each instance of a model: the next one is received while one is computed. */
const BATCHES_PER_INSTANCE = 2;

/** The engines of this machine, for what Triton does not compute: TensorFlow.js, and explanations. */
type LocalEngines = Pick<EnginePool, 'acquire' | 'concurrency' | 'idle' | 'unload'>;

export interface TritonEnginesOptions {
  /** `host:port` */
  readonly address: string;
  readonly local: LocalEngines;
  readonly logger: Logger;
  /** Called when Triton was lost, for metrics. */
  readonly onLost: () => void;
}

/** A version that may be computed until it is released. */
export interface PreparedVersion {
  /** The most images in one batch. */
  readonly maxBatch: number;
  /** To be called once, when the version is unloaded: nothing is kept of one that is not loaded again. */
  readonly release: () => void;
}

/** The batches of one version that may be on their way. */
interface Slots {
  /** How often the version has been prepared and not released. */
  loads: number;
  atOnce: number;
  inUse: number;
  readonly runTimes: RunTimes;
  readonly waiting: Readonly<Record<Priority, Waiter[]>>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Has batches computed by a Triton server, which holds the models as `menagerie export --format triton` writes them. It
 * stands in the place of the engine processes: each version takes as many batches at once as it has instances there.
 */
export class TritonEngines {
  readonly #client: TritonClient;
  readonly #models: TritonModels;
  readonly #local: LocalEngines;
  readonly #slots = new Map<string, Slots>();
  #closing = false;

  private constructor(client: TritonClient, local: LocalEngines) {
    this.#client = client;
    this.#models = new TritonModels(client);
    this.#local = local;
  }

  /** A server that is away now is connected to when it comes. @throws Error that says what to install */
  static async connect({ address, local, logger, onLost }: TritonEnginesOptions): Promise<TritonEngines> {
    const grpc = await loadGrpc('ENGINE=triton://...');
    return new TritonEngines(new TritonClient(grpc, address, logger, onLost), local);
  }

  /**
   * Asks Triton for a version that is to be loaded.
   * @throws AppError `model_unavailable` that says what to export, `engine_lost`
   */
  async prepare(version: EngineVersion): Promise<PreparedVersion> {
    const { instances, maxBatch } = await this.#models.limits(version);
    const key = keyOf(version);
    // The same object as before: batches of an earlier load may still be on their way, and give their places back to it.
    const slots = this.#slots.get(key) ?? noSlots();
    slots.loads += 1;
    slots.atOnce = BATCHES_PER_INSTANCE * instances;
    this.#slots.set(key, slots);
    const release = () => {
      slots.loads -= 1;
      this.#forgetUnused(key, slots);
    };
    return { maxBatch, release };
  }

  /** The number of batches of a model that can run at once, at least one. */
  concurrency(model: EngineModel): number {
    return this.#slotsOf(model)?.atOnce ?? this.#local.concurrency(model);
  }

  /** Waits until a batch may be sent. @throws AppError `shutting_down` */
  async acquire(model: EngineModel, priority: Priority): Promise<EngineLease> {
    const slots = this.#slotsOf(model);
    const { version } = model;
    if (slots === undefined || version === undefined) return this.#local.acquire(model, priority);
    if (this.#closing) throw shuttingDown();
    if (slots.inUse < slots.atOnce) slots.inUse += 1;
    else await new Promise<void>((resolve, reject) => slots.waiting[priority].push({ resolve, reject }));
    return this.#lease(model, version, priority, slots);
  }

  /** Whether nothing is on its way and nobody waits. */
  get idle(): boolean {
    return this.#local.idle && [...this.#slots.values()].every(({ inUse }) => inUse === 0);
  }

  /** Why no batch can be computed now; undefined as long as Triton is there. */
  get obstacle(): string | undefined {
    return this.#client.lost
      ? `Triton at ${this.#client.address} cannot be reached; the connection is tried again`
      : undefined;
  }

  /** What is wrong with Triton, for health checks. */
  get warnings(): string[] {
    const { obstacle } = this;
    return obstacle === undefined ? [] : [`${obstacle}.`];
  }

  /** Unloads models from the engines of this machine; Triton keeps what its repository has. */
  unload(keys: readonly string[]): Promise<void> {
    return this.#local.unload(keys);
  }

  /** Sends no more batches. The engines of this machine are not ended. */
  close(): void {
    this.#closing = true;
    for (const { waiting } of this.#slots.values()) {
      for (const priority of PRIORITIES) for (const { reject } of waiting[priority].splice(0)) reject(shuttingDown());
    }
    this.#client.close();
  }

  #lease(model: EngineModel, version: EngineVersion, priority: Priority, slots: Slots): EngineLease {
    let cpuMs = 0;
    let returned = false;
    return {
      threads: model.threads,
      // What a batch costs is its time: of the CPU time on the other machine nothing is known.
      get cpuMs() {
        return cpuMs;
      },
      run: async (pixels, outputs, classes) => {
        // The export has no model for explanations.
        if (outputs.includes('explanation')) {
          const local = await this.#local.acquire(model, priority);
          try {
            return await local.run(pixels, outputs, classes);
          } finally {
            local.release();
          }
        }
        const images = pixels.shape[0] ?? 1;
        const startedAt = performance.now();
        const limitMs = slots.runTimes.limit(model.key, images);
        const answer = await this.#models.infer(version, pixels, outputs, limitMs);
        cpuMs = performance.now() - startedAt;
        slots.runTimes.record(model.key, images, cpuMs);
        return answer;
      },
      release: () => {
        if (returned) return;
        returned = true;
        const next = PRIORITIES.map((each) => slots.waiting[each])
          .find((waiters) => waiters.length > 0)
          ?.shift();
        if (next !== undefined) {
          next.resolve();
          return;
        }
        slots.inUse -= 1;
        this.#forgetUnused(keyOf(version), slots);
      },
    };
  }

  /** Undefined for what is computed on this machine. */
  #slotsOf({ runtime, version }: EngineModel): Slots | undefined {
    if (runtime !== 'onnx' || version === undefined) return undefined;
    const slots = this.#slots.get(keyOf(version));
    if (slots === undefined) throw new Error(`version ${version.version} of model "${version.name}" was not prepared`);
    return slots;
  }

  #forgetUnused(key: string, { loads, inUse }: Slots): void {
    if (loads === 0 && inUse === 0) this.#slots.delete(key);
  }
}

function noSlots(): Slots {
  const waiting = { interactive: [], bulk: [], training: [] };
  return { loads: 0, atOnce: 0, inUse: 0, runTimes: new RunTimes(), waiting };
}

function keyOf({ name, version, variant = '' }: EngineVersion): string {
  return `${name}@${version}/${variant}`;
}

function shuttingDown(): AppError {
  return new AppError('shutting_down', 'the server is shutting down and takes no more requests');
}
