import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { asStorageError } from '../../common/storage-error.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import type { ModelPuller } from './model-puller.ts';
import type { PullProgress } from './pull-options.ts';

/** Shortest time between two events of a stream, in milliseconds. */
const EVENT_GAP_MS = 250;

/** Seconds after a failed pull in which requests that need the model do not begin another one. */
const RETRY_AFTER_S = 60;

/** The state of a pull. */
export interface PullState {
  readonly model: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly progress: PullProgress;
  /** Why it failed. */
  readonly reason?: string;
  /** Grows with every change. */
  readonly change: number;
}

/** Dependencies of `ModelPulls`. */
export interface ModelPullsParts {
  readonly puller: Pick<ModelPuller, 'pull' | 'expectPullable'>;
  /** Makes a pulled model available to the server. */
  readonly publish: (model: ModelVersion) => Promise<void>;
  /** Called when a pull begins; what it returns, when it ends. For metrics. */
  readonly onStart?: () => (outcome: 'done' | 'failed' | 'cancelled') => void;
  readonly logger: Logger;
}

/** The pulls that clients of the server have started: at most one at a time for each model. Remembers the last. */
export class ModelPulls {
  readonly #parts: ModelPullsParts;
  readonly #pulls = new Map<string, RunningPull>();

  constructor(parts: ModelPullsParts) {
    this.#parts = parts;
  }

  /**
   * Starts a pull, by name or short name, or joins the one that is running. A running pull of the backbone becomes one of the whole model when
   * that is asked for.
   *
   * @throws AppError `model_not_found`; `invalid_request` when the backbone cannot be pulled alone
   */
  async start(typed: string, backboneOnly: boolean): Promise<PullState> {
    const name = await this.#parts.puller.expectPullable(typed, backboneOnly);
    const last = this.#pulls.get(name);
    if (last?.state.state === 'running' && !last.cancelled.aborted) {
      if (!backboneOnly) last.widen();
      return last.state;
    }
    const pull = new RunningPull(name, backboneOnly);
    this.#pulls.set(name, pull);
    // A pull that is being cancelled ends before the next one begins.
    pull.ended = Promise.resolve(last?.ended).then(() => this.#run(pull));
    return pull.state;
  }

  /**
   * Starts or joins the pull of a model that a request needs. One that failed is tried again after a while, not for
   * each request.
   * @throws AppError `model_unavailable`, `storage_full` or `storage_unavailable` when the last pull has just failed; as
   * `start`
   */
  async demand(name: string): Promise<PullState> {
    const failure = this.#pulls.get(name)?.failure;
    if (failure !== undefined) {
      const left = RETRY_AFTER_S - (performance.now() - failure.time) / 1000;
      if (left > 0) throw asFailedPull(name, failure.thrown, Math.ceil(left));
    }
    return this.start(name, false);
  }

  /** @throws AppError `pull_not_found` */
  get(name: string): PullState {
    return this.#find(name).state;
  }

  /** Stops a pull and keeps what it has downloaded for the next one. @throws AppError `pull_not_found` */
  async cancel(name: string): Promise<PullState> {
    const pull = this.#find(name);
    pull.cancel();
    await pull.ended;
    return pull.state;
  }

  /** Yields the state now and after changes, until the pull ends. @throws AppError `pull_not_found` */
  async *events(name: string, signal: AbortSignal): AsyncGenerator<PullState> {
    const pull = this.#find(name);
    for (;;) {
      const { state } = pull;
      yield state;
      if (state.state !== 'running') return;
      try {
        await Promise.race([delay(EVENT_GAP_MS, undefined, { signal }), pull.ended]);
        if (pull.state.change === state.change) await once(pull, 'change', { signal });
      } catch (thrown) {
        if (signal.aborted) return;
        throw thrown;
      }
    }
  }

  /** Cancels all pulls. */
  async close(): Promise<void> {
    await Promise.all([...this.#pulls.keys()].map((name) => this.cancel(name)));
  }

  #find(name: string): RunningPull {
    const pull = this.#pulls.get(name);
    if (pull !== undefined) return pull;
    throw new AppError('pull_not_found', `No pull of "${name}" was started. POST /models/${name}/pull starts one.`);
  }

  async #run(pull: RunningPull): Promise<void> {
    const { logger, onStart } = this.#parts;
    const { model } = pull.state;
    const onEnd = onStart?.();
    try {
      let pulledBackboneOnly: boolean;
      do {
        pulledBackboneOnly = pull.backboneOnly;
        await this.#attempt(pull);
      } while (pulledBackboneOnly !== pull.backboneOnly);
      pull.set({ state: 'done' });
      logger.info({ model }, 'model pulled');
    } catch (thrown) {
      if (pull.cancelled.aborted) {
        pull.set({ state: 'cancelled' });
        return;
      }
      logger.warn({ model, reason: messageOf(thrown) }, 'pull failed');
      pull.failure = { thrown, time: performance.now() };
      pull.set({ state: 'failed', reason: messageOf(asStorageError(thrown) ?? thrown) });
    } finally {
      const { state } = pull.state;
      if (state !== 'running') onEnd?.(state);
    }
  }

  /** Pulls the whole model or its backbone. Returns early when the pull is widened meanwhile. */
  async #attempt(pull: RunningPull): Promise<void> {
    const { puller, publish } = this.#parts;
    const { backboneOnly, widened } = pull;
    const signal = backboneOnly ? AbortSignal.any([pull.cancelled, widened]) : pull.cancelled;
    const onProgress = (progress: PullProgress) => pull.set({ progress });
    try {
      const { model } = await puller.pull(pull.state.model, { backboneOnly, onProgress, signal });
      await publish(model);
    } catch (thrown) {
      if (pull.cancelled.aborted || backboneOnly === pull.backboneOnly) throw thrown;
    }
  }
}

/** The answer to a request whose model could not be pulled. @param retryAfter seconds */
function asFailedPull(name: string, thrown: unknown, retryAfter: number): AppError {
  const storage = asStorageError(thrown);
  if (storage !== undefined) return new AppError(storage.code, storage.message, { retryAfter, cause: thrown });
  const detail = `"${name}" could not be pulled: GET /models/${name}/pull says why. It is tried again in ${retryAfter} s.`;
  return new AppError('model_unavailable', detail, { retryAfter, cause: thrown });
}

class RunningPull extends EventEmitter<{ change: [] }> {
  readonly #cancel = new AbortController();
  readonly #widen = new AbortController();
  state: PullState;
  backboneOnly: boolean;
  ended: Promise<void> = Promise.resolve();
  /** Why and when it failed, in milliseconds of `performance.now()`. */
  failure: { readonly thrown: unknown; readonly time: number } | undefined;

  constructor(model: string, backboneOnly: boolean) {
    super();
    // Each client that follows the pull listens.
    this.setMaxListeners(0);
    this.state = { model, state: 'running', progress: { phase: 'wait' }, change: 1 };
    this.backboneOnly = backboneOnly;
  }

  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Aborts when a pull of the backbone is to become one of the whole model. */
  get widened(): AbortSignal {
    return this.#widen.signal;
  }

  cancel(): void {
    this.#cancel.abort(new Error('cancelled'));
  }

  /** Makes this a pull of the whole model. */
  widen(): void {
    if (!this.backboneOnly) return;
    this.backboneOnly = false;
    this.#widen.abort(new Error('the whole model is pulled instead'));
  }

  set(change: Partial<PullState>): void {
    this.state = { ...this.state, ...change, change: this.state.change + 1 };
    this.emit('change');
  }
}
