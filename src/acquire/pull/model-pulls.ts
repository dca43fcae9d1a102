import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import type { ModelPuller } from './model-puller.ts';
import type { PullProgress } from './pull-options.ts';

/** Shortest time between two events of one stream, in milliseconds. */
const EVENT_GAP_MS = 250;

/** A pull, as it stands. */
export interface PullState {
  readonly model: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  /** The last that was heard of it. */
  readonly progress: PullProgress;
  /** Why it failed. */
  readonly reason?: string;
  /** Grows with every change. */
  readonly change: number;
}

/** What pulls by request stand on; `server.ts` puts it together. */
export interface ModelPullsParts {
  readonly puller: Pick<ModelPuller, 'pull' | 'expectPullable'>;
  /** Makes a model that is there now known to everyone. */
  readonly publish: (model: ModelVersion) => Promise<void>;
  readonly logger: Logger;
}

/** Pulls that were asked for while the server runs, one at most of each model; the last of each is remembered. */
export class ModelPulls {
  readonly #parts: ModelPullsParts;
  readonly #pulls = new Map<string, Pull>();

  constructor(parts: ModelPullsParts) {
    this.#parts = parts;
  }

  /** Begins a pull, or joins the one under way. @throws AppError `model_not_found`; `invalid_request` of a part that is none */
  async start(name: string, backboneOnly: boolean): Promise<PullState> {
    await this.#parts.puller.expectPullable(name, backboneOnly);
    const known = this.#pulls.get(name);
    if (known?.state.state === 'running') return known.state;
    const pull = new Pull(name);
    this.#pulls.set(name, pull);
    pull.ended = this.#run(pull, backboneOnly);
    return pull.state;
  }

  /** @throws AppError `pull_not_found` */
  get(name: string): PullState {
    return this.#find(name).state;
  }

  /** Stops a pull; what it has fetched is kept for the next one. @throws AppError `pull_not_found` */
  async cancel(name: string): Promise<PullState> {
    const pull = this.#find(name);
    pull.controller.abort(new Error('cancelled'));
    await pull.ended;
    return pull.state;
  }

  /** The state now, and whenever it has changed, until the pull has ended. @throws AppError `pull_not_found` */
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

  /** Stops all pulls. */
  async close(): Promise<void> {
    await Promise.all([...this.#pulls.keys()].map((name) => this.cancel(name)));
  }

  #find(name: string): Pull {
    const pull = this.#pulls.get(name);
    if (pull !== undefined) return pull;
    throw new AppError('pull_not_found', `no pull of "${name}" was asked for; POST /models/${name}/pull begins one`);
  }

  async #run(pull: Pull, backboneOnly: boolean): Promise<void> {
    const { puller, publish, logger } = this.#parts;
    const { signal } = pull.controller;
    const { model: name } = pull.state;
    try {
      const { model } = await puller.pull(name, {
        backboneOnly,
        onProgress: (progress) => pull.set({ progress }),
        signal,
      });
      await publish(model);
      pull.set({ state: 'done' });
      logger.info({ model: name }, 'pulled');
    } catch (thrown) {
      if (signal.aborted) {
        pull.set({ state: 'cancelled' });
        return;
      }
      pull.set({ state: 'failed', reason: messageOf(thrown) });
      logger.warn({ model: name, reason: messageOf(thrown) }, 'a pull failed');
    }
  }
}

class Pull extends EventEmitter<{ change: [] }> {
  readonly controller = new AbortController();
  state: PullState;
  ended: Promise<void> = Promise.resolve();

  constructor(model: string) {
    super();
    this.state = { model, state: 'running', progress: { phase: 'wait' }, change: 1 };
  }

  set(change: Partial<PullState>): void {
    this.state = { ...this.state, ...change, change: this.state.change + 1 };
    this.emit('change');
  }
}
