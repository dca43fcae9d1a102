import type { AnswerName } from '../runtime/session.ts';
import { PRIORITIES, type Priority } from './priority.ts';

/** How one image is to be computed. */
export interface BatchItem {
  readonly priority: Priority;
  readonly outputs: readonly AnswerName[];
  /** The class that `explanation` is about; the most probable one when absent. */
  readonly explainedClass?: number | undefined;
  /** Removes the image from the queue when aborted. It has no effect once the image's batch runs. */
  readonly signal?: AbortSignal | undefined;
}

/** An image that waits for an engine. */
export interface QueuedImage<Result> extends BatchItem {
  readonly pixels: Uint8Array;
  /** By `performance.now()`. */
  readonly queuedAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The images that wait for one model, by priority and then by arrival. */
export class BatchQueue<Result> {
  readonly #waiting: Readonly<Record<Priority, Set<QueuedImage<Result>>>> = {
    interactive: new Set(),
    bulk: new Set(),
    training: new Set(),
  };

  /** Images of one priority, or of all. */
  size(priority?: Priority): number {
    if (priority !== undefined) return this.#waiting[priority].size;
    return PRIORITIES.reduce((sum, each) => sum + this.#waiting[each].size, 0);
  }

  /**
   * Adds an image, which leaves the queue when its signal is aborted.
   * @param onDropped called when that has happened; the image has been rejected then
   */
  add(pixels: Uint8Array, item: BatchItem, onDropped: () => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const { priority, signal } = item;
      const drop = (): void => {
        if (!this.#waiting[priority].delete(image)) return;
        reject(signal?.reason);
        onDropped();
      };
      const image: QueuedImage<Result> = {
        ...item,
        pixels,
        queuedAt: performance.now(),
        resolve: (result) => {
          signal?.removeEventListener('abort', drop);
          resolve(result);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', drop);
          reject(error);
        },
      };
      signal?.addEventListener('abort', drop, { once: true });
      this.#waiting[priority].add(image);
    });
  }

  /** The most urgent priority of which an image waits. */
  mostUrgent(): Priority | undefined {
    return PRIORITIES.find((priority) => this.#waiting[priority].size > 0);
  }

  /** Takes the oldest images of one priority that want the same outputs as the oldest of all. */
  take(priority: Priority, limit: number): QueuedImage<Result>[] {
    const waiting = this.#waiting[priority];
    const taken: QueuedImage<Result>[] = [];
    for (const image of waiting) {
      if (taken.length === limit) break;
      if (taken[0] === undefined || wantSameOutputs(taken[0], image)) taken.push(image);
    }
    for (const image of taken) waiting.delete(image);
    return taken;
  }

  /** Rejects all images of one priority. */
  rejectAll(priority: Priority, error: unknown): void {
    for (const { reject } of this.#waiting[priority]) reject(error);
    this.#waiting[priority].clear();
  }
}

function wantSameOutputs(a: BatchItem, b: BatchItem): boolean {
  return a.outputs.length === b.outputs.length && a.outputs.every((name, index) => name === b.outputs[index]);
}
