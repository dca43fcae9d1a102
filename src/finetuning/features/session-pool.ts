import type { Session, SessionSource } from '../../runtime/session.ts';
import type { EngineLease } from '../../serving/engine-slot.ts';
import { openSessionThread } from './session-thread.ts';

interface Waiting {
  readonly resolve: (session: Session) => void;
  readonly reject: (reason: unknown) => void;
}

/** Sessions of one model, each in a thread of its own. Each runs one batch at a time. */
export class SessionPool {
  /** Version of the runtime's library, once a session is open. @throws Error when none can be opened */
  readonly loaded: Promise<string>;
  readonly #threads: number;
  readonly #openings: readonly Promise<Session>[];
  readonly #free: Session[] = [];
  readonly #waiting: Waiting[] = [];
  /** Why no session could be opened. */
  #failure: { readonly reason: unknown } | undefined;

  /**
   * Opens the sessions in the background. Those that cannot be opened are missed by nobody while there is another.
   * @param sessions how many, at least 1
   */
  constructor(source: SessionSource, sessions: number) {
    this.#threads = source.threads;
    this.#openings = Array.from({ length: sessions }, () => openSessionThread(source));
    for (const opening of this.#openings) {
      opening.then(
        (session) => this.#release(session),
        () => undefined,
      );
    }
    this.loaded = this.#open();
    this.loaded.catch((reason: unknown) => {
      this.#failure = { reason };
      for (const { reject } of this.#waiting.splice(0)) reject(reason);
    });
  }

  /**
   * Waits for a free session. The lease's `cpuMs` is the duration of its last run: what the thread computes is all that
   * it does meanwhile.
   * @throws Error when none can be opened
   */
  async acquire(): Promise<EngineLease> {
    const session = await this.#take();
    let cpuMs = 0;
    return {
      threads: this.#threads,
      get cpuMs() {
        return cpuMs;
      },
      run: async (pixels, outputs, classes) => {
        const start = performance.now();
        const answer = await session.run(pixels, outputs, classes);
        cpuMs = performance.now() - start;
        return answer;
      },
      release: () => this.#release(session),
    };
  }

  /** Closes all sessions, none of which may run. */
  async close(): Promise<void> {
    for (const opening of await Promise.allSettled(this.#openings)) {
      if (opening.status === 'fulfilled') await opening.value.close();
    }
  }

  async #open(): Promise<string> {
    const settled = Promise.allSettled(this.#openings);
    try {
      const { version } = await Promise.any(this.#openings);
      return version;
    } catch {
      const [first] = await settled;
      throw first?.status === 'rejected' ? first.reason : new Error('there is no session');
    }
  }

  #take(): Promise<Session> {
    const session = this.#free.pop();
    if (session !== undefined) return Promise.resolve(session);
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  #release(session: Session): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(session);
    else next.resolve(session);
  }
}
