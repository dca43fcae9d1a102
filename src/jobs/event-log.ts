import { ChangeNotifier } from './change-notifier.ts';
import type { JobEvent } from './job-queue.ts';
import { isFinished } from './job-queue.ts';

/** The newest events of one job, in memory. */
export class EventLog {
  #events: readonly JobEvent[];
  /** Fires for every new event, and when there will be no more. */
  readonly changed = new ChangeNotifier();

  constructor(events: readonly JobEvent[]) {
    this.#events = events;
  }

  get events(): readonly JobEvent[] {
    return this.#events;
  }

  /** Id of the newest event; 0 when there is none. */
  get lastId(): number {
    return this.#events.at(-1)?.id ?? 0;
  }

  /** Whether the newest event says that the job is finished. */
  get ended(): boolean {
    const data = this.#events.at(-1)?.data;
    return data?.type === 'state' && isFinished(data.state);
  }

  after(id: number): readonly JobEvent[] {
    return this.#events.filter((event) => event.id > id);
  }

  append(event: JobEvent): void {
    this.#events = [...this.#events, event];
    this.changed.fire();
  }

  /** Drops all but the newest `count` events. */
  keep(count: number): void {
    this.#events = this.#events.slice(-count);
  }

  /**
   * Yields what comes after `afterId`, then waits for more.
   * An id that was never given out is that of another log: the reader gets everything.
   */
  async *follow(afterId: number, stopped: () => boolean, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let last = afterId > this.lastId ? 0 : afterId;
    for (;;) {
      const seen = this.changed.count;
      for (const event of this.after(last)) {
        if (signal?.aborted) return;
        last = event.id;
        yield event;
      }
      if (stopped() || signal?.aborted) return;
      if (this.ended && last === this.lastId) return;
      await this.changed.after(seen, signal);
    }
  }
}
