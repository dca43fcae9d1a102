/**
 * Tells waiters that something changed. Read `count`, look at the state, then wait with `after(count)`: so no change is
 * missed.
 */
export class Pulse {
  #count = 0;
  readonly #waiters = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  fire(): void {
    this.#count += 1;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Resolves once it has fired more often than `count` times, or when `signal` fires. */
  async after(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#count > count || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }
}
